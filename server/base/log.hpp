#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <exception>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace pgtally::server {

// The log of the program, on stderr. Callers must not pass passwords, tokens, keys or payloads of events.
//
// Levels: a fault is one warning or error, which is not repeated more often than log_limit.hpp says; what operators want to know
// is info; the life of each client is one line at debug.

enum class log_level { debug, info, warn, error, off };

enum class log_format {
    text,  // a line for people
    json,  // one object a line, with `time`, `level` and `message`, and the fields of events
};

void start_log(log_level from, log_format format);
void set_log_level(log_level from);
bool logs(log_level level) noexcept;

// `kind`: the text of the line's format.
void write_log(log_level level, std::string_view kind, std::string_view message);

template <class... A>
void log(log_level level, fmt::format_string<A...> format, A&&... values)
{
    if (!logs(level)) return;
    fmt::string_view const kind = format;
    write_log(level, {kind.data(), kind.size()}, fmt::format(format, std::forward<A>(values)...));
}

// An exception that nobody expects: "`what` ended because of a defect", and why. Precondition: `failure` is not null.
void log_defect(std::string_view what, std::exception_ptr failure);

// A value of an event. Names are words of the protocols: client, protocol, seconds, …
struct log_field {
    std::string_view name;
    std::variant<std::string_view, std::uint64_t, double> value;
};

// As text, `message: name value, name value`; in JSON, a member each.
void log_event(log_level level, std::string_view message, std::initializer_list<log_field> fields);

// `"client":"192.0.2.1","seconds":0.25`.
void append_json(std::string& out, std::initializer_list<log_field> fields);

// Writes how often faults were repeated. To be called every second or so.
void log_repeats();

}  // namespace pgtally::server
