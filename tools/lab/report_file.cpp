#include "report_file.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

namespace pgtally::lab {
namespace {

// The mode that open() would give the file.
mode_t usual_mode()
{
    auto const mask = ::umask(0);
    ::umask(mask);
    return 0666 & ~mask;
}

}  // namespace

report_file::report_file(std::string path) : path_(std::move(path))
{
    std::error_code failure;
    auto const is = std::filesystem::status(path_, failure);
    if (std::filesystem::exists(is) && !std::filesystem::is_regular_file(is)) fail(EEXIST);
    if (path_.empty() || path_.back() == '/') fail(EISDIR);
    // Follows symbolic links, so that the file is replaced and not the link.
    if (std::filesystem::exists(is)) path_ = std::filesystem::canonical(path_, failure).string();
    other_ = path_ + ".XXXXXX";
    file_ = ::mkstemp(other_.data());
    if (file_ < 0) fail(errno);
}

report_file::~report_file()
{
    if (file_ < 0) return;
    ::close(file_);
    ::unlink(other_.c_str());
}

void report_file::fail(int why) const
{
    auto const reason = why == EEXIST ? std::string("it is no regular file") : std::generic_category().message(why);
    throw std::runtime_error("the report cannot be written to " + path_ + ": " + reason);
}

void report_file::keep(std::string const& text)
{
    for (std::string_view left(text); !left.empty();) {
        auto const written = ::write(file_, left.data(), left.size());
        if (written < 0 && errno != EINTR) fail(errno);
        if (written > 0) left.remove_prefix(static_cast<std::size_t>(written));
    }
    if (::fchmod(file_, usual_mode()) != 0 || ::fsync(file_) != 0) fail(errno);
    if (::rename(other_.c_str(), path_.c_str()) != 0) fail(errno);
    ::close(std::exchange(file_, -1));
}

}  // namespace pgtally::lab
