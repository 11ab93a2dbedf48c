// SPDX-License-Identifier: Apache-2.0

//go:build !go1.22
// +build !go1.22

package main

import "unsafe"

//go:linkname pcdatavalue1 runtime.pcdatavalue1
func pcdatavalue1(f funcInfo, table uint32, pc uintptr, cache unsafe.Pointer, strict bool) int32

func inlineIndex(info funcInfo, pc uintptr) int32 { return pcdatavalue1(info, 2, pc, nil, false) }
