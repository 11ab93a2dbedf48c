// SPDX-License-Identifier: Apache-2.0
// Two functions that share the CPU time 70 to 30, for as many seconds as the argument says; what each took is printed at
// the end. So do the others in this folder.
"use strict";

const SLICE_NS = 10e6;
let sink = 0;

function seventy(n) {
  let sum = 0;
  for (let i = 0; i < n; i++) {
    sum += Math.sqrt(i) * 1.5;
  }
  return sum;
}

function thirty(n) {
  let sum = 1;
  for (let i = 1; i < n; i++) {
    sum += Math.sqrt(sum + i);
  }
  return sum;
}

function cpuNs() {
  const usage = process.cpuUsage();
  return (usage.user + usage.system) * 1000;
}

function runFor(work, ns) {
  const begin = cpuNs();
  let now = begin;
  while (now - begin < ns) {
    sink += work(200000);
    now = cpuNs();
  }
  return now - begin;
}

const spent = { seventy: 0, thirty: 0 };
const end = Date.now() + Number(process.argv[2]) * 1000;
while (Date.now() < end) {
  spent.seventy += runFor(seventy, 7 * SLICE_NS);
  spent.thirty += runFor(thirty, 3 * SLICE_NS);
}
console.log(JSON.stringify({ program: "load.js", pid: process.pid, functions: spent, sink: sink > 0 }));
