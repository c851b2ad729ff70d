#include <pgtally/server/base/json_text.hpp>
#include <pgtally/server/base/log.hpp>
#include <pgtally/server/base/log_limit.hpp>

#include <fmt/format.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <iterator>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

namespace pgtally::server {

namespace {

// Null before `start_log`: then nothing is written.
std::shared_ptr<spdlog::logger>& logger()
{
    static std::shared_ptr<spdlog::logger> the_one;
    return the_one;
}

bool as_json = false;

log_limit& limit()
{
    static log_limit the_one;
    return the_one;
}

spdlog::level::level_enum spdlog_level(log_level level) noexcept
{
    switch (level) {
        case log_level::debug: return spdlog::level::debug;
        case log_level::info: return spdlog::level::info;
        case log_level::warn: return spdlog::level::warn;
        case log_level::error: return spdlog::level::err;
        case log_level::off: return spdlog::level::off;
    }
    return spdlog::level::info;
}

}  // namespace

void start_log(log_level from, log_format format)
{
    as_json = format == log_format::json;
    logger() = std::make_shared<spdlog::logger>("pgtally", std::make_shared<spdlog::sinks::stderr_sink_st>());
    logger()->set_level(spdlog_level(from));
    logger()->flush_on(spdlog::level::debug);
    logger()->set_pattern(as_json ? R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l",%v})"
                                  : "%Y-%m-%d %H:%M:%S.%e %L %v");
}

void set_log_level(log_level from)
{
    if (logger()) logger()->set_level(spdlog_level(from));
}

bool logs(log_level level) noexcept
{
    return logger() && logger()->should_log(spdlog_level(level));
}

namespace {

void write(log_level level, std::string_view text)
{
    if (logger()) logger()->log(spdlog_level(level), spdlog::string_view_t{text.data(), text.size()});
}

void write_message(log_level level, std::string_view message)
{
    if (!as_json) return write(level, message);
    std::string text{R"("message":)"};
    append_json(text, message);
    write(level, text);
}

}  // namespace

void write_log(log_level level, std::string_view kind, std::string_view message)
{
    bool const fault = level == log_level::warn || level == log_level::error;
    if (fault && !limit().admit(kind, message, log_limit::clock::now())) return;
    write_message(level, message);
}

void log_defect(std::string_view what, std::exception_ptr failure)
{
    try {
        std::rethrow_exception(std::move(failure));
    } catch (std::exception const& e) {
        log(log_level::error, "{} ended because of a defect: {}", what, e.what());
    } catch (...) {
        log(log_level::error, "{} ended because of a defect: an exception of an unknown type", what);
    }
}

void log_repeats()
{
    for (auto const& line : limit().due(log_limit::clock::now())) write_message(log_level::warn, line);
}

void append_json(std::string& out, std::initializer_list<log_field> fields)
{
    bool first = true;
    for (auto const& field : fields) {
        if (!std::exchange(first, false)) out += ',';
        append_json(out, field.name);
        out += ':';
        auto const append = [&out](auto const& value) {
            if constexpr (std::is_same_v<decltype(value), double const&>)
                fmt::format_to(std::back_inserter(out), "{:.6f}", value);
            else append_json(out, value);
        };
        std::visit(append, field.value);
    }
}

void log_event(log_level level, std::string_view message, std::initializer_list<log_field> fields)
{
    if (!logs(level)) return;
    std::string text;
    if (as_json) {
        text += R"("message":)";
        append_json(text, message);
        text += ',';
        append_json(text, fields);
        return write(level, text);
    }
    text += message;
    for (char separator = ':'; auto const& field : fields) {
        text += std::exchange(separator, ',');
        fmt::format_to(std::back_inserter(text), " {} ", field.name);
        auto const append = [&text](auto const& value) {
            if constexpr (std::is_same_v<decltype(value), double const&>)
                fmt::format_to(std::back_inserter(text), "{:.3f}", value);
            else fmt::format_to(std::back_inserter(text), "{}", value);
        };
        std::visit(append, field.value);
    }
    write(level, text);
}

}  // namespace pgtally::server
