#include <pgtally/db/detail/wal_opening.hpp>

#include <unistd.h>

#include <array>
#include <charconv>
#include <utility>

namespace pgtally::db::detail {
namespace {

std::string quoted(std::string_view text, char quote)
{
    std::string result(1, quote);
    for (char const c : text) result.append(c == quote ? 2 : 1, c);
    return result += quote;
}

// A literal of SQL, whatever standard_conforming_strings is.
std::string sql_literal(std::string_view text)
{
    std::string escaped;
    for (char const c : text) escaped.append(c == '\\' ? 2 : 1, c);
    return "E" + quoted(escaped, '\'');
}

template <class T>
std::optional<T> number_in(std::string_view text)
{
    T value{};
    auto const* const end = text.data() + text.size();
    auto const read = std::from_chars(text.data(), end, value);
    if (read.ec != std::errc() || read.ptr != end) return std::nullopt;
    return value;
}

[[noreturn]] void refuse(connection_core const& core, std::string_view why, std::string_view state = {})
{
    diagnostics said;
    said.primary = why;
    said.state = sqlstate(state);
    auto text = failure_line("replication on " + core.description(), why, said.state);
    throw error(state.empty() ? errc::bad_result : errc::server_error, std::move(text), std::move(said));
}

std::string slot_name(std::string_view prefix, std::uint32_t random)
{
    constexpr int hexadecimal = 16;
    std::array<char, 8> digits{};
    auto const end = std::to_chars(digits.data(), digits.data() + digits.size(), random, hexadecimal).ptr;
    return std::string(prefix) + '_' + std::to_string(getpid()) + '_' + std::string(digits.data(), end);
}

std::string create_command(std::string const& name, int server_version)
{
    constexpr int with_options = 150'000;  // 14 knows the old syntax only
    auto const* const snapshot = server_version < with_options ? "NOEXPORT_SNAPSHOT" : "(SNAPSHOT 'nothing')";
    return "CREATE_REPLICATION_SLOT " + name + " TEMPORARY LOGICAL pgoutput " + snapshot;
}

// Returns nothing if the name is in use.
asio::awaitable<std::optional<wal_slot>> create_named(connection_core::pointer core, std::string name)
{
    auto command = create_command(name, core->conn().server_version());
    std::optional<wal_slot> made;
    try {
        auto const answer = co_await connection_core::command(core, std::move(command));
        std::optional<lsn> start;
        if (answer.size() == 1 && answer.columns() >= 2) start = parse_lsn(answer.text(0, 1));
        if (!start) refuse(*core, "CREATE_REPLICATION_SLOT did not return the slot's position");
        made.emplace();
        made->name = std::move(name);
        made->start = *start;
    } catch (error const& failure) {
        if (!failure.state().is("42710")) throw;
    }
    co_return made;
}

}  // namespace

asio::awaitable<wal_source> identify_source(connection_core::pointer core, std::string publication)
{
    auto const who = co_await connection_core::command(core, std::string("IDENTIFY_SYSTEM"));
    wal_source found;
    std::optional<std::uint32_t> timeline;
    if (who.size() == 1 && who.columns() >= 2) {
        found.system_identifier = who.text(0, 0);
        timeline = number_in<std::uint32_t>(who.text(0, 1));
    }
    if (!timeline) refuse(*core, "IDENTIFY_SYSTEM did not return the system and its timeline");
    found.timeline = *timeline;

    auto sql = "select d.oid, s.setting, exists (select from pg_catalog.pg_publication where pubname = " +
               sql_literal(publication) +
               ") from pg_catalog.pg_database d, pg_catalog.pg_settings s"
               " where d.datname = pg_catalog.current_database() and s.name = 'wal_sender_timeout'";
    auto const more = co_await connection_core::command(core, std::move(sql));
    std::optional<std::uint32_t> database;
    std::optional<std::int64_t> timeout;
    if (more.size() == 1 && more.columns() == 3) {
        database = number_in<std::uint32_t>(more.text(0, 0));
        timeout = number_in<std::int64_t>(more.text(0, 1));
    }
    if (!database || !timeout) refuse(*core, "the server did not describe its database");
    found.database = *database;
    found.sender_timeout = std::chrono::milliseconds(*timeout);
    if (more.text(0, 2) != "t") refuse(*core, "publication \"" + publication + "\" does not exist", "42704");
    co_return found;
}

// lock_timeout bounds the wait for each open transaction; statement_timeout has no effect here. The stream itself shall
// not have it.
asio::awaitable<std::optional<wal_slot>> create_slot(connection_core::pointer core, std::string prefix, wal_draw draw,
                                                     slot_timeouts timeouts)
{
    auto limit = "set lock_timeout = " + std::to_string(timeouts.patience.count());
    co_await connection_core::script(core, std::move(limit));
    // Several transactions may be waited for, one after another.
    core->set_timeout(3 * timeouts.patience + timeouts.answer);
    std::optional<wal_slot> made;
    bool waited = false;
    constexpr int most_names = 10;
    for (int i = 0; i < most_names && !made && !waited; ++i) {
        auto name = slot_name(prefix, draw());
        try {
            made = co_await create_named(core, std::move(name));
        } catch (error const& failure) {
            waited = failure.state().is("55P03");
            if (!waited) throw;
        }
    }
    core->set_timeout(timeouts.answer);
    if (!made && !waited) refuse(*core, "every name that was drawn for the slot is in use", "42710");
    co_await connection_core::script(core, std::string("reset lock_timeout"));
    co_return made;
}

std::string start_replication(std::string_view slot, std::string_view publication)
{
    return "START_REPLICATION SLOT " + std::string(slot) + " LOGICAL 0/0 (proto_version '1', publication_names " +
           quoted(quoted(publication, '"'), '\'') + ", messages 'true')";
}

}  // namespace pgtally::db::detail
