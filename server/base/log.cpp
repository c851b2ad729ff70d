#include <pgtally/server/base/json_text.hpp>
#include <pgtally/server/base/log.hpp>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <string>

namespace pgtally::server {

namespace {

// Null before `start_log`: then nothing is written.
std::shared_ptr<spdlog::logger>& logger()
{
    static std::shared_ptr<spdlog::logger> the_one;
    return the_one;
}

bool as_json = false;

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
    logger()->set_pattern(as_json ? R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l","message":%v})"
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

void write_log(log_level level, std::string_view message)
{
    if (!logger()) return;
    std::string text;
    if (as_json) {
        append_json(text, message);
        message = text;
    }
    logger()->log(spdlog_level(level), spdlog::string_view_t{message.data(), message.size()});
}

}  // namespace pgtally::server
