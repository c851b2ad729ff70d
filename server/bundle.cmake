# Makes one ES module of an entry and of all modules that it imports, without Node:
#   cmake -D ENTRY=FILE.js -D OUTPUT=FILE.js -D TITLE=TEXT [-D EXTERNAL=./index.js -D EXTERNAL_AS=./pgtally.js] -P bundle.cmake
#
# Each imported module becomes a function that returns what it exports, so names of different modules cannot collide. An
# import of EXTERNAL stays one, of EXTERNAL_AS. Comments and indentation are dropped: the modules are where to read.
#
# What a module may contain, besides code:
#   import { a, b as c } from './x.js';      export { a } from './x.js';      export { a, b };
#   export function|async function|class|const NAME
# Anything else that begins a line with import or export is an error, and so is a circle of imports.

cmake_policy(VERSION 3.25)

set(line_comment "\n[ ]*//[^\n]*")
# A comment after code: what is before it has its quotes in pairs.
set(trailing_comment "\n(([^'\"`\n]|'[^'\n]*'|\"[^\"\n]*\"|`[^`\n]*`)*[^ '\"`\n]) +//[^\n]*")
set(block_comment "\n[ ]*/\\*([^*]|\\*+[^*/])*\\*+/[ ]*(\n)")

# A name for the module at a path, as an identifier.
function(identifier_of path result)
  file(RELATIVE_PATH name "${root}" "${path}")
  string(REGEX REPLACE "[^A-Za-z0-9]" "_" name "m_${name}")
  set(${result} "${name}" PARENT_SCOPE)
endfunction()

# Appends the module, after those that it imports, to the property `joined`.
function(add_module path is_entry)
  get_property(done GLOBAL PROPERTY done)
  get_property(open GLOBAL PROPERTY open)
  if(path IN_LIST done)
    return()
  endif()
  if(path IN_LIST open)
    message(FATAL_ERROR "${path} imports itself, through others")
  endif()
  set_property(GLOBAL APPEND PROPERTY open "${path}")

  file(READ "${path}" text)
  set(text "\n${text}")
  string(REGEX REPLACE "${block_comment}" "\\2" text "${text}")
  string(REGEX REPLACE "${line_comment}" "" text "${text}")
  string(REGEX REPLACE "${trailing_comment}" "\n\\1" text "${text}")
  string(REGEX REPLACE "\n[ ]+" "\n" text "${text}")
  string(REGEX REPLACE "\n\n+" "\n" text "${text}")

  get_filename_component(folder "${path}" DIRECTORY)
  set(exports "")
  set(head "")
  # One import or re-export at a time: a list of all would be cut at their semicolons.
  while(text MATCHES "\n(import|export) {([^}]*)} from '([^']*)'")
    set(statement "${CMAKE_MATCH_0}")
    set(kind "${CMAKE_MATCH_1}")
    set(names "${CMAKE_MATCH_2}")
    set(from "${CMAKE_MATCH_3}")
    string(REGEX REPLACE "[ \n]+" " " names "${names}")
    string(REPLACE "${statement};" "" text "${text}")
    if(EXTERNAL AND from STREQUAL EXTERNAL)
      string(APPEND head "\n${kind} {${names}} from '${EXTERNAL_AS}';")
      continue()
    endif()
    get_filename_component(imported "${folder}/${from}" ABSOLUTE)
    add_module("${imported}" FALSE)
    identifier_of("${imported}" variable)
    string(REPLACE " as " ": " pattern "${names}")
    string(APPEND head "\nconst {${pattern}} = ${variable};")
    if(kind STREQUAL "export")
      string(APPEND exports "${names},")
    endif()
  endwhile()

  while(text MATCHES "\nexport (async function[*]?|function[*]?|class|const) ([A-Za-z0-9_$]+)")
    set(statement "${CMAKE_MATCH_0}")
    string(APPEND exports " ${CMAKE_MATCH_2},")
    string(REPLACE "${statement}" "\n${CMAKE_MATCH_1} ${CMAKE_MATCH_2}" text "${text}")
  endwhile()
  while(text MATCHES "\nexport {([^}]*)};")
    string(APPEND exports "${CMAKE_MATCH_1},")
    string(REPLACE "${CMAKE_MATCH_0}" "" text "${text}")
  endwhile()
  if(text MATCHES "\n((import|export) [^\n]*)")
    message(FATAL_ERROR "${path}: this form of import or export is not supported: ${CMAKE_MATCH_1}")
  endif()
  string(REGEX REPLACE ", *," "," exports "${exports}")

  if(is_entry)
    if(exports)
      string(APPEND text "export {${exports}};\n")
    endif()
    set(module "${head}${text}")
  else()
    identifier_of("${path}" variable)
    set(module "\nconst ${variable} = (() => {${head}${text}return {${exports}};\n})();")
  endif()
  set_property(GLOBAL APPEND_STRING PROPERTY joined "${module}")
  set_property(GLOBAL APPEND PROPERTY done "${path}")
endfunction()

get_filename_component(entry "${ENTRY}" ABSOLUTE)
get_filename_component(root "${entry}" DIRECTORY)
add_module("${entry}" TRUE)
get_property(joined GLOBAL PROPERTY joined)
file(WRITE "${OUTPUT}" "// ${TITLE}${joined}")
