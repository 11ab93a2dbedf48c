# SPDX-License-Identifier: Apache-2.0
# The three kinds of target that a folder declares. Every source of kiln is compiled through one of them, so the
# warning flags, the sanitizers and the include root are set in this file and nowhere else.

add_library(kiln_options INTERFACE)
target_include_directories(kiln_options INTERFACE ${CMAKE_SOURCE_DIR})
# Designated initializers leave members to their defaults on purpose.
target_compile_options(kiln_options INTERFACE -Wall -Wextra -Werror -Wno-unused-parameter -Wno-missing-field-initializers)
if(KILN_SANITIZE)
  target_compile_options(kiln_options INTERFACE -fsanitize=${KILN_SANITIZE} -fno-omit-frame-pointer
                                                -fno-sanitize-recover=all)
  target_link_options(kiln_options INTERFACE -fsanitize=${KILN_SANITIZE})
endif()
if(KILN_FUZZ)
  target_compile_options(kiln_options INTERFACE -fsanitize=fuzzer-no-link)
endif()

# kiln_library(NAME SOURCES… DEPS…): the static library of one folder. Sources are listed, never globbed.
function(kiln_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_library(kiln_${name} STATIC ${ARG_SOURCES})
  target_link_libraries(kiln_${name} PUBLIC kiln_options ${ARG_DEPS})
endfunction()

# kiln_test(NAME [LABELS…] SOURCES… DEPS…): a gtest program. Without a label it is a unit test that needs no root, no
# kernel feature and no network; label `root` marks one that needs them.
function(kiln_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;LABELS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE kiln_options ${ARG_DEPS} GTest::gmock GTest::gtest_main)
  if(NOT ARG_LABELS)
    set(ARG_LABELS unit)
  endif()
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT 600)
endfunction()

# kiln_bench(NAME SOURCES… DEPS…): a Google Benchmark program, run by scripts/bench --micro. The target benchmarks builds
# them all.
add_custom_target(benchmarks)
function(kiln_bench name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE kiln_options ${ARG_DEPS} benchmark::benchmark_main)
  add_dependencies(benchmarks ${name})
endfunction()

# kiln_fuzz(NAME SOURCE CORPUS DEPS…): a libFuzzer target, only under the preset fuzz. Its ctest entry is a smoke run over
# the seed corpus plus ten seconds of new inputs.
function(kiln_fuzz name)
  if(NOT KILN_FUZZ)
    return()
  endif()
  cmake_parse_arguments(ARG "" "SOURCE;CORPUS" "DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCE})
  target_link_libraries(${name} PRIVATE kiln_options ${ARG_DEPS})
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  set(work ${CMAKE_CURRENT_BINARY_DIR}/${name}.corpus)
  file(MAKE_DIRECTORY ${work})
  add_test(NAME ${name} COMMAND ${name} -max_total_time=10 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 ${work}
                                ${CMAKE_CURRENT_SOURCE_DIR}/${ARG_CORPUS})
  set_tests_properties(${name} PROPERTIES LABELS fuzz TIMEOUT 120)
endfunction()
