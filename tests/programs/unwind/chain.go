// SPDX-License-Identifier: Apache-2.0

// main.burn ← main.last ← main.descend × 18 ← main.first ← main.inMain or main.inGoroutine. Half of the time in the
// main goroutine, half in another one. Go's leaf functions have no frame, and its files no .eh_frame.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"
)

var sink uint64

//go:noinline
func burn(state uint64) uint64 {
	for round := 0; round < 40000; round++ {
		state ^= state << 13
		state ^= state >> 7
		state ^= state << 17
	}
	return state
}

//go:noinline
func last(state uint64) uint64 { return burn(state) + 1 }

//go:noinline
func descend(frames int, state uint64) uint64 {
	var local [9]uint64
	local[frames%9] = state
	if frames > 1 {
		return descend(frames-1, state) + local[2]
	}
	return last(state) + local[1]
}

//go:noinline
func first(state uint64) uint64 { return descend(18, state) + 1 }

// The CPU time of the process: only one goroutine runs at a time.
func processCPU() int64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}

//go:noinline
func inMain(budget int64) int64 {
	start := processCPU()
	for processCPU()-start < budget {
		sink += first(88172645463325252)
	}
	return processCPU() - start
}

//go:noinline
func inGoroutine(budget int64, done chan int64) {
	start := processCPU()
	for processCPU()-start < budget {
		sink += first(88172645463325252)
	}
	done <- processCPU() - start
}

func main() {
	runtime.GOMAXPROCS(1)
	milliseconds, err := strconv.ParseInt(os.Args[1], 10, 64)
	if err != nil || milliseconds <= 0 {
		fmt.Fprintln(os.Stderr, "usage: go CPU-MILLISECONDS")
		os.Exit(2)
	}
	done := make(chan int64)
	go inGoroutine(milliseconds*500_000, done)
	spent := <-done
	spent += inMain(milliseconds * 500_000)
	fmt.Printf("{\"program\":\"go\",\"pid\":%d,\"burned_ns\":%d}\n", os.Getpid(), spent)
}
