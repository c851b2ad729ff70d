#include <pgtally/server/http/web_files.hpp>
#include <pgtally/server/http/web_folder.hpp>

#include <algorithm>
#include <array>
#include <fstream>
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

web_folder::web_folder(std::string const& folder, std::size_t max_file_bytes) : max_file_bytes_{max_file_bytes}
{
    if (folder.empty()) return;
    root_ = fs::canonical(folder);
    if (!fs::is_directory(root_)) {
        throw fs::filesystem_error{"not a folder", root_, std::make_error_code(std::errc::not_a_directory)};
    }
}

std::optional<std::string> web_folder::read(fs::path const& path) const
{
    std::error_code failure;
    // Where links lead: whatever is below the folder's own real path is inside of it.
    auto const real = fs::canonical(path, failure);
    if (failure || std::mismatch(root_.begin(), root_.end(), real.begin(), real.end()).first != root_.end())
        return std::nullopt;
    if (!fs::is_regular_file(real, failure) || fs::file_size(real, failure) > max_file_bytes_) return std::nullopt;

    std::ifstream in{real, std::ios::binary};
    std::string out(max_file_bytes_ < 65'536 ? max_file_bytes_ : 65'536, '\0');
    std::string content;
    while (in && content.size() <= max_file_bytes_) {
        in.read(out.data(), static_cast<std::streamsize>(out.size()));
        content.append(out.data(), static_cast<std::size_t>(in.gcount()));
    }
    if (in.bad() || content.size() > max_file_bytes_ || !in.eof()) return std::nullopt;
    return content;
}

std::optional<response> web_folder::find_in_folder(std::vector<std::string> const& path) const
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
    auto content = read(at);
    if (!content) return std::nullopt;
    return response{.content_type = content_type_of(at.filename().string()), .body = std::move(*content)};
}

std::optional<response> web_folder::find(std::vector<std::string> const& path) const
{
    auto const name = path.size() != 1 ? std::string{} : path[0].empty() ? std::string{"index.html"} : path[0];
    if (name != "pgtally.js") {
        if (auto found = find_in_folder(path)) return found;
    }
    if (name.empty()) return std::nullopt;
    auto const built_in = web_file(name);
    if (!built_in) return std::nullopt;
    response out{.content_type = content_type_of(name), .body = std::string{*built_in}};
    // A page of somebody else's must not lay ours, with its buttons, under a reader's finger; a <meta> cannot say so.
    if (name.ends_with(".html")) out.fields.emplace_back("Content-Security-Policy", "frame-ancestors 'none'");
    return out;
}

}  // namespace pgtally::server
