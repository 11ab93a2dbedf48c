# SPDX-License-Identifier: Apache-2.0
# Puts the page together: cmake -DWEB=… -DMODULES=a.js,b.js -DOUT=… -P bundle.cmake
# Reads WEB/page.html, WEB/style.css and the modules; writes OUT/page.html and OUT/page.cc.
#
# The modules are ES modules for node's tests. In the page they share one <script type="module">: they are joined in the
# order given, without import lines, export words, lines of comment and indentation. So an import or export stands on one
# line, a name at the top level is used in one module only (the browser refuses a second declaration), and no template
# text runs over several lines.
# The content security policy names the script and the style by their SHA-256.
string(REPLACE "," ";" modules "${MODULES}")

# base64 of the bytes that `hex` spells.
function(base64 hex result)
  set(alphabet ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/)
  string(LENGTH "${hex}" length)
  set(text "")
  foreach(at RANGE 0 ${length} 6)
    math(EXPR left "${length} - ${at}")
    if(left LESS_EQUAL 0)
      break()
    endif()
    string(SUBSTRING "${hex}0000" ${at} 6 group)
    math(EXPR value "0x${group}")
    foreach(shift 18 12 6 0)
      math(EXPR digit "(${value} >> ${shift}) & 63")
      string(SUBSTRING "${alphabet}" ${digit} 1 digit)
      string(APPEND text "${digit}")
    endforeach()
  endforeach()
  # A group cut to two bytes ends in one digit too many, one cut to one byte in two.
  string(LENGTH "${text}" digits)
  math(EXPR pad "(3 - (${length} / 2) % 3) % 3")
  math(EXPR digits "${digits} - ${pad}")
  string(SUBSTRING "${text}" 0 ${digits} text)
  string(REPEAT "=" ${pad} pad)
  set(${result} "${text}${pad}" PARENT_SCOPE)
endfunction()

function(hash_source text result)
  string(SHA256 hex "${text}")
  base64(${hex} digest)
  set(${result} "'sha256-${digest}'" PARENT_SCOPE)
endfunction()

function(require_once text mark)
  string(REPLACE "${mark}" "" without "${text}")
  string(LENGTH "${text}" with_length)
  string(LENGTH "${without}" without_length)
  string(LENGTH "${mark}" mark_length)
  math(EXPR removed "${with_length} - ${without_length}")
  if(NOT removed EQUAL mark_length)
    message(FATAL_ERROR "page.html must hold ${mark} exactly once")
  endif()
endfunction()

set(script "\n")
foreach(module IN LISTS modules)
  file(READ ${WEB}/${module} source)
  string(REGEX REPLACE "(^|\n)import [^\n]*;" "\\1" source "${source}")
  string(REGEX REPLACE "(^|\n)export " "\\1" source "${source}")
  string(REGEX REPLACE "(^|\n) *//[^\n]*" "\\1" source "${source}")
  string(REGEX REPLACE "\n[ \n]*" "\n" source "${source}")
  string(STRIP "${source}" source)
  string(APPEND script "// ${module}\n${source}\n\n")
endforeach()
file(READ ${WEB}/style.css style)
string(REGEX MATCH "</(script|style)|<!--|{{" forbidden "${script}${style}")
if(forbidden)
  message(FATAL_ERROR "the page's script or style holds '${forbidden}', which would end or change its element")
endif()

hash_source("${script}" script_source)
hash_source("${style}" style_source)
file(READ ${WEB}/page.html page)
foreach(mark TITLE SCRIPT_SOURCE STYLE_SOURCE STYLE DATA SCRIPT)
  require_once("${page}" "{{${mark}}}")
endforeach()
string(REPLACE "{{SCRIPT_SOURCE}}" "${script_source}" page "${page}")
string(REPLACE "{{STYLE_SOURCE}}" "${style_source}" page "${page}")
string(REPLACE "{{STYLE}}" "${style}" page "${page}")
string(REPLACE "{{SCRIPT}}" "${script}" page "${page}")
file(WRITE ${OUT}/page.html "${page}")
file(WRITE ${OUT}/page.cc "// Made by viewer/bundle.cmake.
#include \"viewer/page.h\"

namespace kiln::viewer {

const std::string_view kPage = R\"KILN_PAGE(${page})KILN_PAGE\";

}  // namespace kiln::viewer
")
