// What an operator can do about an error of the database.

#include <pgtally/db/detail/client_failure.hpp>
#include <pgtally/db/detail/remedy.hpp>
#include <pgtally/db/error.hpp>

#include <algorithm>
#include <array>

namespace pgtally::db {
namespace {

struct advice {
    std::string_view state, remedy;
};

constexpr std::array<advice, 14> by_state{{
    {"28P01",
     "correct the password, in the DSN, PGPASSWORD or the password file, or in PostgreSQL: alter role … password"},
    {"28000", "check the role's name, that it may log in, and that pg_hba.conf admits it"},
    {"3D000", "name an existing database, by the DSN or PGDATABASE"},
    {"42501", "grant this role the right that the message names"},
    {"53300",
     "raise the connection limit of the role or the database, or max_connections: the README says how many "
     "connections a server needs"},
    {"53400", "raise or reset that limit for this role, as superuser: alter role … reset temp_file_limit"},
    {"53100", "free space on PostgreSQL's disk"},
    {"25006", detail::standby_remedy},
    {"55P03", "a long transaction holds a lock: find it in pg_stat_activity, and try again after it ends"},
    {"40P01", "a long transaction holds a lock: find it in pg_stat_activity, and try again after it ends"},
    {"25P03", "raise idle_in_transaction_session_timeout: PostgreSQL ended the session by it"},
    {"57P05", "raise idle_session_timeout: PostgreSQL ended the session by it"},
    {"25P04", "raise transaction_timeout: PostgreSQL ended the transaction by it"},
    {"57P03", "wait until PostgreSQL has started"},
}};

// Errors of replication, whose states mean other things too. The words are names of settings and statements, which no
// language of messages translates, or were never translated. The first entry that fits counts.
struct replication_advice {
    std::string_view state, words, remedy;
    bool permanent;  // a retry alone does not help
};

constexpr std::string_view slots_remedy =
    "free a replication slot, or raise max_replication_slots in postgresql.conf and restart PostgreSQL";

constexpr std::array<replication_advice, 9> of_replication{{
    {"42501", "walsender", "let this role replicate: alter role … replication", true},
    {"42501", "WAL sender", "let this role replicate: alter role … replication", true},
    {"55000", "wal_level", "set wal_level = logical in postgresql.conf, and restart PostgreSQL", true},
    {"55000", "max_replication_slots", slots_remedy, true},
    {"53400", "replication slots", slots_remedy, false},
    {"53300", "currently 0",
     "set wal_level = logical and max_wal_senders = 10 in postgresql.conf, and restart PostgreSQL", true},
    {"53300", "max_wal_senders",
     "end another replication, or raise max_wal_senders in postgresql.conf and restart PostgreSQL", false},
    {"42704", "publication", "create the publication that the message names: create publication …", true},
    {"08P01", "parameter: replication", "connect to PostgreSQL itself: this pooler does not pass replication on", true},
}};

replication_advice const* advice_of_replication(error const& failure) noexcept
{
    auto const fits = [&](replication_advice const& one) {
        auto const said = [&](std::string_view text) { return text.find(one.words) != std::string_view::npos; };
        return failure.state().is(one.state) && (said(failure.primary()) || said(failure.hint()));
    };
    auto const* const found = std::ranges::find_if(of_replication, fits);
    return found == of_replication.end() ? nullptr : found;
}

}  // namespace

bool detail::refuses_replication(error const& failure) noexcept
{
    auto const* const found = advice_of_replication(failure);
    return found != nullptr && found->permanent;
}

std::string_view remedy_of(error const& failure) noexcept
{
    if (auto const* const found = advice_of_replication(failure)) return found->remedy;
    auto const* const found = std::ranges::find(by_state, failure.state().view(), &advice::state);
    if (found != by_state.end()) return found->remedy;
    if (failure.state().in_class("28")) return "check user, password and pg_hba.conf";
    bool const opening =
        failure.permanent() || failure.code() == errc::connect_failed || failure.code() == errc::read_only;
    if (failure.state().empty() && opening) {
        if (auto const own = detail::client_failure(failure.primary()).remedy; !own.empty()) return own;
    }
    if (failure.code() == errc::bad_config) return "correct the connection string";
    if (failure.code() == errc::connect_failed || failure.code() == errc::timed_out) {
        return "check host and port, and that PostgreSQL runs there";
    }
    return {};
}

}  // namespace pgtally::db
