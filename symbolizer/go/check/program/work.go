// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"net/http"
	"regexp"
	"sort"
	"text/template"

	"example.org/names/c"
)

// Calls within calls that are all inlined, some on one line.
func one(x int) int   { return x*3 + 1 }
func two(x int) int   { return one(x) ^ one(x+1) }
func three(x int) int { return two(x) + two(x<<1) }
func four(x int) int {
	return three(x) -
		three(x+7)
}
func five(x int) int { y := four(x); return y*y + four(y) }

type shape interface{ area() int }
type square struct{ side int }
type holder struct {
	*square // promoted: a wrapper is made
	name    string
}

func (s square) area() int   { return s.side * s.side }
func (s *square) grow(n int) { s.side += n }

//go:noinline
func call(f func(int) int, x int) int { return f(x) }

func closures(x int) int {
	sum := 0
	add := func(n int) { sum += five(n) }
	for i := 0; i < x; i++ {
		add(i)
		func() {
			defer func() { sum++ }()
			sum ^= i
		}()
	}
	return sum
}

func work(x int) int {
	h := holder{square: &square{x}, name: "x"}
	grow := h.grow // method value
	grow(2)
	area := (*holder).area // method expression
	shapes := []shape{h, square{1}, &square{2}}
	sort.Slice(shapes, func(i, j int) bool { return shapes[i].area() < shapes[j].area() })
	text, _ := json.Marshal(shapes)
	matches := regexp.MustCompile("a+b").FindAllString(string(text), -1)
	template.Must(template.New("t").Parse("{{.}}"))
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { call(five, len(matches)) })
	return call(closures, area(&h)) + call(generic, x) + call(five, x) + int(assembly(uint64(x))) + call(c.Add, x)
}

// In work_amd64.s and work_arm64.s; twice has a convention of its own.
func assembly(x uint64) uint64
func twice()
