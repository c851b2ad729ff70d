#include <pgtally/cache/replica/session_settings.hpp>
#include <pgtally/server/cli/install_script.hpp>

namespace pgtally::server {

namespace {

std::string opening()
{
    return "begin isolation level read committed read write;\n" +
           set_transaction(session_settings(session_kind::script)) + ";\n";
}

void append_block(std::string& out, std::string_view sql)
{
    out += '\n';
    out += sql;
    if (!out.ends_with('\n')) out += '\n';
}

}  // namespace

std::string quote_literal(std::string_view text)
{
    // As PQescapeLiteral of libpq: right for both values of standard_conforming_strings.
    std::string out;
    if (text.find('\\') != std::string_view::npos) out += " E";
    out += '\'';
    for (char const c : text) {
        if (c == '\'' || c == '\\') out += c;
        out += c;
    }
    out += '\'';
    return out;
}

std::string install_script(std::span<schema_file const> files, std::vector<std::string> const& grant,
                           std::vector<std::string> const& grant_create)
{
    auto out = opening();
    for (auto const& file : files) {
        out += "\n-- ";
        out += file.name;
        append_block(out, file.sql);
    }
    for (auto const& role : grant) out += "select tally.grant_server(" + quote_literal(role) + ");\n";
    for (auto const& role : grant_create) out += "select tally.grant_create(" + quote_literal(role) + ");\n";
    out += "\ncommit;\n";
    return out;
}

std::string uninstall_script(std::string_view sql)
{
    auto out = opening();
    append_block(out, sql);
    out += "\ncommit;\n";
    return out;
}

}  // namespace pgtally::server
