// SPDX-License-Identifier: Apache-2.0

//go:build go1.18
// +build go1.18

package main

import _ "unsafe"

//go:linkname funcEntry runtime.funcInfo.entry
func funcEntry(info funcInfo) uintptr

func entry(info funcInfo) uintptr { return funcEntry(info) }
