# Writes a C++ file that contains other files:
#   cmake -D KIND=schema|web -D OUTPUT=FILE.cpp -D "FILES=A;B" -D SCHEMA_VERSION=N -P embed.cmake
#
# Each byte becomes an element of an array: compilers limit the length of string literals, and text would need escapes.
# In the files of the schema, @PGTALLY_SCHEMA_VERSION@ becomes the number. Each file of the page is embedded compressed too.

cmake_policy(VERSION 3.25)

# Sets `result` to the content of the file as elements of an array, and `size` to their number.
function(elements_of path result size)
  file(READ "${path}" hex HEX)
  if(KIND STREQUAL "schema")
    string(HEX "@PGTALLY_SCHEMA_VERSION@" placeholder)
    string(HEX "${SCHEMA_VERSION}" number)
    string(REPLACE "${placeholder}" "${number}" hex "${hex}")
  endif()
  string(LENGTH "${hex}" digits)
  math(EXPR bytes "${digits} / 2")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," out "${hex}")
  string(REGEX REPLACE "('.x0a',)" "\\1\n" out "${out}")
  set(${result} "${out}" PARENT_SCOPE)
  set(${size} ${bytes} PARENT_SCOPE)
endfunction()

# Compresses the file, sets `result` and `size` as above, and `tag` to a name for this content.
function(compressed_elements_of path result size tag)
  set(compressed "${OUTPUT}.gz")
  # -n: without name and time, so that the same content gives the same bytes.
  execute_process(COMMAND gzip -9 -n -c "${path}" OUTPUT_FILE "${compressed}" COMMAND_ERROR_IS_FATAL ANY)
  elements_of("${compressed}" bytes length)
  file(REMOVE "${compressed}")
  file(SHA256 "${path}" hash)
  string(SUBSTRING "${hash}" 0 16 hash)
  set(${result} "${bytes}" PARENT_SCOPE)
  set(${size} ${length} PARENT_SCOPE)
  set(${tag} ${hash} PARENT_SCOPE)
endfunction()

set(arrays "")
set(table "")
set(uninstall "{}")
set(number 0)
foreach(path IN LISTS FILES)
  get_filename_component(name "${path}" NAME)
  elements_of("${path}" bytes size)
  string(APPEND arrays "// ${name}\nchar const file_${number}[] = {\n${bytes}'\\0'};\n\n")
  if(KIND STREQUAL "schema" AND name STREQUAL "uninstall.sql")
    set(uninstall "{file_${number}, ${size}}")
  elseif(KIND STREQUAL "schema")
    string(APPEND table "    {\"${name}\", {file_${number}, ${size}}},\n")
  else()
    compressed_elements_of("${path}" bytes compressed_size tag)
    string(APPEND arrays "char const compressed_${number}[] = {\n${bytes}'\\0'};\n\n")
    string(APPEND table "    {\"${name}\", {{file_${number}, ${size}}, {compressed_${number}, ${compressed_size}}, \"${tag}\"}},\n")
  endif()
  math(EXPR number "${number} + 1")
endforeach()

if(KIND STREQUAL "schema")
  set(code "#include <pgtally/server/cli/schema_files.hpp>

namespace pgtally::server {

namespace {

${arrays}schema_file const files[] = {
${table}};

}  // namespace

std::span<schema_file const> schema_files()
{
    return files;
}

std::string_view uninstall_sql()
{
    return ${uninstall};
}

}  // namespace pgtally::server
")
else()
  set(code "#include <pgtally/server/http/web_folder.hpp>

namespace pgtally::server {

namespace {

${arrays}struct file {
    std::string_view name;
    web_file content;
};

file const files[] = {
${table}};

}  // namespace

web_file const* find_web_file(std::string_view name)
{
    for (auto const& known : files) {
        if (known.name == name) return &known.content;
    }
    return nullptr;
}

}  // namespace pgtally::server
")
endif()

file(WRITE "${OUTPUT}" "// Made by embed.cmake.\n\n${code}")
