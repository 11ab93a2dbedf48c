// SPDX-License-Identifier: Apache-2.0
// Go: inlined functions, closures, methods of generic types, goroutines, a deferred recover.
package main

import (
	"fmt"
	"os"
	"sort"
	"strings"
)

type number interface{ ~int | ~uint64 | ~float64 }

type stack[T number] struct{ values []T }

func (s *stack[T]) push(value T) { s.values = append(s.values, value) }
func (s *stack[T]) sum() (total T) {
	for _, value := range s.values {
		total += value
	}
	return total
}

func rotate(value uint64, by uint) uint64 { return value<<(by&63) | value>>((64-by)&63) }
func mix(a, b uint64) uint64 {
	a ^= rotate(b, 13)
	a *= 0x9e3779b97f4a7c15
	return a ^ a>>29
}

type area interface{ area() uint64 }
type square struct{ side uint64 }
type rectangle struct{ width, height uint64 }

func (s square) area() uint64     { return mix(s.side, s.side) }
func (r *rectangle) area() uint64 { return mix(r.width, r.height) }

//go:noinline
func guarded(values []uint64, index int) (result uint64) {
	defer func() {
		if problem := recover(); problem != nil {
			fmt.Fprintln(os.Stderr, "recovered:", problem)
		}
	}()
	return mix(values[index], 1)
}

func main() {
	words := strings.Fields(strings.Join(os.Args, " ") + " the quick brown fox")
	sort.Slice(words, func(i, j int) bool { return len(words[i]) < len(words[j]) })
	ints, floats := &stack[int]{}, &stack[float64]{}
	for i, word := range words {
		ints.push(len(word) + i)
		floats.push(float64(i) / 2)
	}
	results := make(chan uint64)
	for _, shape := range []area{square{3}, &rectangle{2, 5}} {
		go func() { results <- shape.area() }()
	}
	total := <-results ^ <-results
	fmt.Println(ints.sum(), floats.sum(), guarded([]uint64{total}, len(words)%2))
}
