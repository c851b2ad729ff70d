#include <pgtally/server/http/encoding.hpp>
#include <pgtally/server/http/etag.hpp>
#include <pgtally/server/http/file_body.hpp>
#include <pgtally/server/http/web_folder.hpp>

#include <algorithm>
#include <array>
#include <memory>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace pgtally::server {

namespace fs = std::filesystem;

std::string_view content_type_of(std::string_view name) noexcept
{
    using row = std::pair<std::string_view, std::string_view>;
    static constexpr std::array<row, 18> types{{
        {".html", "text/html; charset=utf-8"},
        {".js", "text/javascript; charset=utf-8"},
        {".mjs", "text/javascript; charset=utf-8"},
        {".css", "text/css; charset=utf-8"},
        {".json", "application/json"},
        {".map", "application/json"},
        {".txt", "text/plain; charset=utf-8"},
        {".md", "text/plain; charset=utf-8"},
        {".csv", "text/csv; charset=utf-8"},
        {".xml", "application/xml"},
        {".svg", "image/svg+xml"},
        {".png", "image/png"},
        {".jpg", "image/jpeg"},
        {".gif", "image/gif"},
        {".webp", "image/webp"},
        {".ico", "image/x-icon"},
        {".woff2", "font/woff2"},
        {".wasm", "application/wasm"},
    }};
    for (auto const& [ending, type] : types) {
        if (name.ends_with(ending)) return type;
    }
    return "application/octet-stream";
}

bool is_for_everybody(std::string_view name) noexcept
{
    return name == "pgtally.js" || name == "pgtally-elements.js" || name == "openapi.json" || name == "asyncapi.json";
}

web_folder::web_folder(std::string const& folder, std::size_t max_file_bytes, std::size_t piece_bytes)
    : max_file_bytes_{max_file_bytes}, piece_bytes_{piece_bytes}
{
    if (folder.empty()) return;
    root_ = fs::canonical(folder);
    if (!fs::is_directory(root_)) {
        throw fs::filesystem_error{"not a folder", root_, std::make_error_code(std::errc::not_a_directory)};
    }
}

std::optional<web_folder::file> web_folder::find_in_folder(std::vector<std::string> const& path) const
{
    if (root_.empty()) return std::nullopt;
    auto at = root_;
    for (auto const& segment : path) {
        bool const last = &segment == &path.back();
        if (last && segment.empty()) continue;
        auto const unsafe = segment.find_first_of(std::string_view{"/\\\0", 3}) != std::string::npos;
        if (segment.empty() || segment.front() == '.' || unsafe) return std::nullopt;
        at /= segment;
    }
    if (path.back().empty()) at /= "index.html";

    std::error_code failure;
    // Links are followed first: a file is inside the folder if its real path is below the folder's real path.
    auto const real = fs::canonical(at, failure);
    if (failure || std::mismatch(root_.begin(), root_.end(), real.begin(), real.end()).first != root_.end())
        return std::nullopt;
    if (!fs::is_regular_file(real, failure)) return std::nullopt;
    auto const size = fs::file_size(real, failure);
    if (failure || size > max_file_bytes_) return std::nullopt;
    return file{real, size, at.filename().string()};
}

// Returns nothing if the file has disappeared or cannot be read.
std::optional<response> web_folder::open(file const& which) const
{
    response out{.content_type = content_type_of(which.name)};
    try {
        auto body = std::make_unique<file_body>(which.real, which.size, piece_bytes_);
        if (which.size > piece_bytes_) {
            out.streamed = std::move(body);
        } else {
            out.body = body->read();
            if (out.body.size() != which.size) return std::nullopt;
        }
    } catch (std::runtime_error const&) {
        return std::nullopt;
    }
    return out;
}

namespace {

// The name that a built-in file at this path would have; empty if no built-in file can be there.
std::string built_in_name(std::vector<std::string> const& path)
{
    if (path.size() != 1) return {};
    return path[0].empty() ? "index.html" : path[0];
}

response answer_with(web_file const& file, std::string_view name, web_folder::wishes const& wanted)
{
    bool const compressed = accepts_gzip(wanted.accept_encoding);
    response out{.content_type = content_type_of(name)};
    // Each form has a tag of its own: a strong tag stands for bytes.
    auto tag = std::string{"\""}.append(file.tag).append(compressed ? "-gzip\"" : "\"");
    out.fields.emplace_back("Vary", "Accept-Encoding");
    // Against clickjacking: no other site may show the page in a frame. A <meta> element cannot set `frame-ancestors`.
    if (name.ends_with(".html")) out.fields.emplace_back("Content-Security-Policy", "frame-ancestors 'none'");
    if (lists_tag(wanted.if_none_match, tag)) {
        out.status = 304;
    } else {
        if (compressed) out.fields.emplace_back("Content-Encoding", "gzip");
        out.body = compressed ? file.compressed : file.content;
    }
    out.fields.emplace_back("ETag", std::move(tag));
    return out;
}

}  // namespace

bool web_folder::contains(std::vector<std::string> const& path) const
{
    auto const name = built_in_name(path);
    return (!name.empty() && find_web_file(name) != nullptr) || find_in_folder(path);
}

std::optional<response> web_folder::find(std::vector<std::string> const& path, wishes const& wanted) const
{
    auto const name = built_in_name(path);
    if (!is_for_everybody(name)) {
        if (auto const found = find_in_folder(path)) {
            if (auto opened = open(*found)) return opened;
        }
    }
    auto const* const built_in = find_web_file(name);
    if (built_in == nullptr) return std::nullopt;
    return answer_with(*built_in, name, wanted);
}

}  // namespace pgtally::server
