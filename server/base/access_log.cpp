#include <pgtally/server/base/access_log.hpp>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

namespace pgtally::server {

namespace {

constexpr std::size_t most_waiting = 64U << 10;  // then they are written at once

}  // namespace

access_log::access_log(std::string path, log_format format) : path_{std::move(path)}, format_{format}
{
    if (!path_.empty()) file_ = open();
}

access_log::~access_log()
{
    flush();
    if (file_ >= 0) ::close(file_);
}

int access_log::open() const
{
    auto const out = path_ == "-" ? ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0)
                                  : ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    if (out < 0) throw std::runtime_error{"--access-log: cannot open " + path_ + ": " + std::strerror(errno)};
    return out;
}

void access_log::reopen()
{
    if (!on()) return;
    flush();
    int const fresh = open();
    ::close(std::exchange(file_, fresh));
}

void access_log::add(served_request const& what)
{
    if (!on()) return;
    waiting_ += access_line(what, std::chrono::system_clock::now(), format_);
    if (waiting_.size() >= most_waiting) flush();
}

void access_log::flush()
{
    if (waiting_.empty()) return;
    auto const size = ::write(file_, waiting_.data(), waiting_.size());
    bool const lost = size < 0 || static_cast<std::size_t>(size) != waiting_.size();
    waiting_.clear();
    if (lost && !std::exchange(lost_, true))
        log(log_level::error, "lines of the access log {} are lost: {}", path_,
            size < 0 ? std::strerror(errno) : "the disk is full");
    else if (!lost && std::exchange(lost_, false)) log(log_level::info, "the access log {} is written again", path_);
}

std::string access_line(served_request const& what, std::chrono::system_clock::time_point now, log_format format)
{
    auto const client = to_string(what.client);
    auto const time = fmt::gmtime(std::chrono::system_clock::to_time_t(now));
    if (format == log_format::text) {
        return fmt::format("{} - - [{:%d/%b/%Y:%H:%M:%S} +0000] \"{} {} HTTP/1.{}\" {} {} {:.3f}\n", client, time,
                           what.method, what.route, what.version % 10, what.status, what.bytes, what.seconds);
    }
    auto const stamp = fmt::format("{:%Y-%m-%dT%H:%M:%S}Z", time);
    std::string out{"{"};
    append_json(out, {{"time", stamp},
                      {"client", client},
                      {"method", what.method},
                      {"route", what.route},
                      {"status", std::uint64_t{what.status}},
                      {"bytes", what.bytes},
                      {"seconds", what.seconds}});
    return out + "}\n";
}

}  // namespace pgtally::server
