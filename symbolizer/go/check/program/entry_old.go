// SPDX-License-Identifier: Apache-2.0

//go:build !go1.18
// +build !go1.18

package main

// A function's record begins with its address.
func entry(info funcInfo) uintptr { return *(*uintptr)(info.function) }
