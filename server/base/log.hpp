#pragma once

#include <fmt/core.h>

#include <string_view>
#include <utility>

namespace pgtally::server {

// The log of the program, on stderr. Callers must not pass passwords or payloads of events.

enum class log_level { debug, info, warn, error, off };

enum class log_format {
    text,  // a line for people
    json,  // one object a line, with time, level and message
};

void start_log(log_level from, log_format format);
void set_log_level(log_level from);
bool logs(log_level level) noexcept;
void write_log(log_level level, std::string_view message);

template <class... A>
void log(log_level level, fmt::format_string<A...> format, A&&... values)
{
    if (logs(level)) write_log(level, fmt::format(format, std::forward<A>(values)...));
}

}  // namespace pgtally::server
