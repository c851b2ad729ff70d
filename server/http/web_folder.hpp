#pragma once

#include <pgtally/server/http/response.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgtally::server {

// A file that embed.cmake put into the program. Lifetime: the program's.
struct web_file {
    std::string_view content;
    std::string_view compressed;  // the same by gzip
    std::string_view tag;         // another one for other content
};

// The file of server/web, or the script made from server/web/client, of this name: "index.html", "pgtally.js". Null if there is none.
web_file const* find_web_file(std::string_view name);

// Whether the name is that of a file for the pages of other origins: the browser client's scripts, and the documents that describe
// the API. They are always the built-in ones.
bool is_for_everybody(std::string_view name) noexcept;

// "text/html; charset=utf-8" of "index.html".
std::string_view content_type_of(std::string_view name) noexcept;

// The files to serve beside the API: those of a folder, if there is one, and those built in.
class web_folder {
public:
    // What a request says about the form of its answer: its fields Accept-Encoding and If-None-Match.
    struct wishes {
        std::string_view accept_encoding{}, if_none_match{};
    };

    // `folder` may be empty. A file of more than `piece_bytes` is read in pieces, as the client takes them.
    // Throws std::filesystem::filesystem_error if it is no folder.
    web_folder(std::string const& folder, std::size_t max_file_bytes, std::size_t piece_bytes);

    // The file at a path, given as decoded segments. If the last segment is empty, it is the index.html of that folder.
    // Returns nothing for dotfiles, for files that are not regular or too large, and for links that lead out of the
    // folder. What `is_for_everybody` names is always the built-in file. A built-in file has an ETag, which can be answered by 304,
    // and is compressed if the client takes that.
    std::optional<response> find(std::vector<std::string> const& path, wishes const& wanted) const;

    // Whether there is a file at the path. Does not read the file.
    bool contains(std::vector<std::string> const& path) const;

private:
    struct file {
        std::filesystem::path real;
        std::uint64_t size = 0;
        std::string name;
    };

    std::optional<file> find_in_folder(std::vector<std::string> const& path) const;
    std::optional<response> open(file const& which) const;

    std::filesystem::path root_;  // canonical, or empty
    std::size_t max_file_bytes_, piece_bytes_;
};

}  // namespace pgtally::server
