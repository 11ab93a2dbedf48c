# SPDX-License-Identifier: Apache-2.0
# kiln_proto(NAME PROTOS…): compiles our .proto files (paths from the root) into the static library kiln_NAME_proto.
# Include them as "folder/file.pb.h"; they count as system headers, since generated code keeps no warning rules.
# All our .proto files ask for the lite runtime: it registers no descriptors, so a program that links another copy of the
# same messages does not clash with us.
find_program(PROTOC protoc REQUIRED)

function(kiln_proto name)
  set(out ${CMAKE_BINARY_DIR}/proto)
  file(MAKE_DIRECTORY ${out})
  foreach(proto ${ARGN})
    string(REGEX REPLACE "\\.proto$" "" stem ${proto})
    add_custom_command(
      OUTPUT ${out}/${stem}.pb.cc ${out}/${stem}.pb.h
      COMMAND ${PROTOC} -I${CMAKE_SOURCE_DIR} --cpp_out=${out} ${proto}
      WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}
      DEPENDS ${CMAKE_SOURCE_DIR}/${proto}
      COMMENT "protoc ${proto}"
      VERBATIM)
    list(APPEND sources ${out}/${stem}.pb.cc)
    list(APPEND headers ${out}/${stem}.pb.h)
  endforeach()
  add_library(kiln_${name}_proto STATIC ${sources} ${headers})
  target_include_directories(kiln_${name}_proto SYSTEM PUBLIC ${out})
  target_link_libraries(kiln_${name}_proto PUBLIC protobuf::libprotobuf-lite)
  target_compile_options(kiln_${name}_proto PRIVATE -w)
  if(KILN_SANITIZE)
    target_compile_options(kiln_${name}_proto PRIVATE -fsanitize=${KILN_SANITIZE} -fno-omit-frame-pointer)
  endif()
  if(KILN_FUZZ)
    target_compile_options(kiln_${name}_proto PRIVATE -fsanitize=fuzzer-no-link)
  endif()
endfunction()
