// SPDX-License-Identifier: Apache-2.0

// A program with code of many kinds, for symbolizer/go/check. It reads link-time addresses of its own code from
// standard input, one hexadecimal number a line, and prints what the runtime itself knows of each: the frames of the
// calls that were inlined there, innermost first, as "function TAB file TAB line TAB start line", then an empty line.
package main

import (
	"bufio"
	"debug/elf"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"unsafe"
)

type funcInfo struct {
	function unsafe.Pointer
	module   unsafe.Pointer
}

//go:linkname findfunc runtime.findfunc
func findfunc(pc uintptr) funcInfo

//go:linkname funcdata runtime.funcdata
func funcdata(f funcInfo, i uint8) unsafe.Pointer

//go:linkname funcline1 runtime.funcline1
func funcline1(f funcInfo, pc uintptr, strict bool) (string, int32)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// What the loader added to link-time addresses.
func slide() uintptr {
	file, err := elf.Open("/proc/self/exe")
	check(err)
	maps, err := os.ReadFile("/proc/self/maps")
	check(err)
	path, err := os.Readlink("/proc/self/exe")
	check(err)
	before := strings.Split(string(maps), path)[0]
	line := before[strings.LastIndexByte(before, '\n')+1:] // its first mapping
	start, err := strconv.ParseUint(line[:strings.IndexByte(line, '-')], 16, 64)
	check(err)
	for _, segment := range file.Progs {
		if segment.Type == elf.PT_LOAD {
			return uintptr(start - segment.Vaddr&^4095)
		}
	}
	return 0
}

// The offset of the caller's instruction in an inlined call's record.
func callerCode(tree unsafe.Pointer, index int32) uintptr {
	size, offset := uintptr(20), uintptr(16)
	if hasStartLine() {
		size, offset = 16, 8
	}
	return uintptr(*(*int32)(unsafe.Pointer(uintptr(tree) + uintptr(index)*size + offset)))
}

func hasStartLine() bool {
	_, known := reflect.TypeOf(runtime.Frame{}).FieldByName("startLine")
	return known
}

func printNames(out *bufio.Writer, pc uintptr) {
	info := findfunc(pc)
	for depth := 0; info.function != nil && depth < 1000; depth++ {
		if _, line := funcline1(info, pc, false); line <= 0 {
			// Between functions. Before Go 1.21 the runtime stops the program when it is asked for such a place.
			fmt.Fprintf(out, "\t?\t0\t-\n")
			break
		}
		frame, _ := runtime.CallersFrames([]uintptr{pc + 1}).Next()
		startLine := int64(0)
		if hasStartLine() {
			startLine = reflect.ValueOf(frame).FieldByName("startLine").Int()
		}
		fmt.Fprintf(out, "%s\t%s\t%d\t%d\n", frame.Function, frame.File, frame.Line, startLine)
		index, tree := int32(-1), funcdata(info, 3)
		if tree != nil {
			index = inlineIndex(info, pc)
		}
		if index < 0 {
			break
		}
		pc = entry(info) + callerCode(tree, index)
	}
	fmt.Fprintln(out)
}

func main() {
	if len(os.Args) > 1 {
		fmt.Println(work(len(os.Args)))
	}
	base := slide()
	out := bufio.NewWriter(os.Stdout)
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		address, err := strconv.ParseUint(in.Text(), 16, 64)
		check(err)
		printNames(out, uintptr(address)+base)
	}
	check(out.Flush())
}
