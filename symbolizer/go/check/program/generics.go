// SPDX-License-Identifier: Apache-2.0

//go:build go1.18
// +build go1.18

package main

type number interface{ ~int | ~int64 | ~float64 }

type list[T any] struct {
	items []T
}

func (l *list[T]) push(x T) { l.items = append(l.items, x) }

func apply[T, R any](items []T, f func(T) R) []R {
	var results []R
	for _, item := range items {
		results = append(results, f(item))
	}
	return results
}

func total[T number](items ...T) (sum T) {
	for _, item := range items {
		sum += item
	}
	return
}

func generic(x int) int {
	var l list[map[string]int]
	l.push(map[string]int{"x": x})
	floats := apply([]int{x, five(x)}, func(n int) float64 { return float64(n) })
	texts := apply(floats, func(n float64) []string { return make([]string, int(n)) })
	return len(texts) + len(l.items) + int(total(floats...)) + total(1, x)
}
