// SPDX-License-Identifier: Apache-2.0

//go:build cgo
// +build cgo

package c

/*
static int add(int a, int b) { return a + b; }
*/
import "C"

// Add is a call of C where there is C.
func Add(x int) int { return int(C.add(C.int(x), 1)) }
