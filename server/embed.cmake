# Puts files into C++: cmake -D KIND=schema|web -D OUTPUT=FILE.cpp -D "FILES=A;B" -P embed.cmake
#
# Bytes become the elements of arrays: a literal may be as short as 65,536 characters at most, and would need escapes.

# Sets `result` to the elements of an array that are `path`'s content.
function(elements_of path result)
  file(READ "${path}" hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," out "${hex}")
  string(REGEX REPLACE "('.x0a',)" "\\1\n" out "${out}")
  set(${result} "${out}" PARENT_SCOPE)
endfunction()

set(arrays "")
set(table "")
set(uninstall "{}")
set(number 0)
foreach(path IN LISTS FILES)
  get_filename_component(name "${path}" NAME)
  elements_of("${path}" bytes)
  file(SIZE "${path}" size)
  string(APPEND arrays "// ${name}\nchar const file_${number}[] = {\n${bytes}'\\0'};\n\n")
  if(KIND STREQUAL "schema" AND name STREQUAL "uninstall.sql")
    set(uninstall "{file_${number}, ${size}}")
  elseif(KIND STREQUAL "schema")
    string(APPEND table "    {\"${name}\", {file_${number}, ${size}}},\n")
  else()
    string(APPEND table "    {\"${name}\", {file_${number}, ${size}}},\n")
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
    std::string_view name, content;
};

file const files[] = {
${table}};

}  // namespace

std::optional<std::string_view> web_file(std::string_view name)
{
    for (auto const& known : files) {
        if (known.name == name) return known.content;
    }
    return std::nullopt;
}

}  // namespace pgtally::server
")
endif()

file(WRITE "${OUTPUT}" "// Made by embed.cmake.\n\n${code}")
