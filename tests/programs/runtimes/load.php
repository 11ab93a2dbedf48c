<?php
// SPDX-License-Identifier: Apache-2.0
// See load.js.

function seventy(int $n): float
{
    $sum = 0.0;
    for ($i = 0; $i < $n; $i++) {
        $sum += $i * 1.5;
    }
    return $sum;
}

function thirty(int $n): float
{
    $sum = 1.0;
    for ($i = 1; $i < $n; $i++) {
        $sum = $sum * 0.5 + $i;
    }
    return $sum;
}

function cpu_ns(): int
{
    $usage = getrusage();
    return ($usage["ru_utime.tv_sec"] + $usage["ru_stime.tv_sec"]) * 1000000000
        + ($usage["ru_utime.tv_usec"] + $usage["ru_stime.tv_usec"]) * 1000;
}

function run_for(string $work, int $ns): int
{
    $begin = cpu_ns();
    do {
        $work(200000);
        $spent = cpu_ns() - $begin;
    } while ($spent < $ns);
    return $spent;
}

$spent = ["seventy" => 0, "thirty" => 0];
$end = microtime(true) + (float)$argv[1];
while (microtime(true) < $end) {
    $spent["seventy"] += run_for("seventy", 70000000);
    $spent["thirty"] += run_for("thirty", 30000000);
}
echo json_encode(["program" => "load.php", "pid" => getmypid(), "functions" => $spent]), "\n";
