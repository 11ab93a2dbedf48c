// SPDX-License-Identifier: Apache-2.0

//go:build !cgo
// +build !cgo

package c

// Add is a call of C where there is C.
func Add(x int) int { return x }
