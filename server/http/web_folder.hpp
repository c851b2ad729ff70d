#pragma once

#include <pgtally/server/http/response.hpp>

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgtally::server {

// "text/html; charset=utf-8" of "index.html".
std::string_view content_type_of(std::string_view name) noexcept;

// The files to serve beside the API: those of a folder, if there is one, and those built in.
class web_folder {
public:
    // `folder` may be empty. Throws std::filesystem::filesystem_error if it is no folder.
    web_folder(std::string const& folder, std::size_t max_file_bytes);

    // The file at a path's segments, decoded; a folder means its index.html. Nothing for dotfiles, for what is no
    // regular file or too large, and for what a link leads to outside of the folder. "pgtally.js" is always the one
    // built in.
    std::optional<response> find(std::vector<std::string> const& path) const;

private:
    std::optional<std::string> read(std::filesystem::path const& path) const;
    std::optional<response> find_in_folder(std::vector<std::string> const& path) const;

    std::filesystem::path root_;  // canonical, or empty
    std::size_t max_file_bytes_;
};

}  // namespace pgtally::server
