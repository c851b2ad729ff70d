#pragma once

#include <optional>
#include <string_view>

namespace pgtally::server {

// A file of server/web, put into the program when it is built (embed.cmake), by its name: "index.html".
std::optional<std::string_view> web_file(std::string_view name);

}  // namespace pgtally::server
