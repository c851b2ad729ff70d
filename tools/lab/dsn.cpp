#include "dsn.hpp"

namespace pgtally::lab {

std::string with_application_name(std::string const& dsn, std::string_view name)
{
    std::string const is(name);
    if (!dsn.starts_with("postgresql://") && !dsn.starts_with("postgres://"))
        return dsn + (dsn.empty() ? "" : " ") + "application_name='" + is + "'";
    std::string escaped;
    for (auto const c : is) {
        if (c == ' ') escaped += "%20";
        else escaped += c;
    }
    return dsn + (dsn.find('?') == std::string::npos ? '?' : '&') + "application_name=" + escaped;
}

}  // namespace pgtally::lab
