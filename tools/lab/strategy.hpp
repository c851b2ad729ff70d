#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pgtally::lab {

/// Where the counter of a strategy is kept.
enum class keeper_kind {
    sql,       ///< in the database: `counters` reads it
    listener,  ///< in a client that adds notifications, as the articles' service does
    replica,   ///< in pgtally, embedded
};

/// One way to count retweets. The schema is the search_path, with tables `message` and `activity`.
struct strategy {
    std::string_view name{};
    std::string_view says{};                  ///< what it is, and what it shows
    std::array<std::string_view, 3> setup{};  ///< run before the workers begin; any number of statements
    std::string_view retweet{};               ///< one statement; $1 is the message
    std::string_view
        /// rows of messageid and rts, both bigint; messageid is null if there is one counter for all
        counters{};
    bool takes_back = true;  ///< it handles `de-rt`, as a row of `activity`, per message
    keeper_kind keeper = keeper_kind::sql;
    bool may_be_absent = false;  ///< if the server refuses the setup or the keeper, its row says so
};

/// The retweet of strategies that insert.
inline constexpr std::string_view insert_retweet = "insert into activity (messageid, action) values ($1, 'rt')";

/// For strategies that count when they are read.
inline constexpr std::string_view counting_view = R"(
create view message_with_counters as
  select messageid,
         count(*) filter (where action = 'rt') - count(*) filter (where action = 'de-rt') as rts
    from activity
   group by messageid;)";
inline constexpr std::string_view counting_counters = "select messageid, rts from message_with_counters";

/// For strategies with a summary row per message, kept by tg_update_counters().
inline constexpr std::string_view summary_table = R"(
create table counters (
  messageid bigint primary key references message (messageid),
  rts       bigint not null
);)";
inline constexpr std::string_view summary_trigger = R"(
create trigger update_counters after insert on activity for each row execute function tg_update_counters();)";
inline constexpr std::string_view summary_counters = "select messageid, rts from counters";

extern strategy const update;
extern strategy const insert;
extern strategy const insert_unique;
extern strategy const trigger_update_insert;
extern strategy const trigger_loop;
extern strategy const trigger_conflict_printed;
extern strategy const trigger_conflict;
extern strategy const trigger_daily;
extern strategy const notify_row;
extern strategy const pgtally_notify;
extern strategy const pgtally_wal;

/// All strategies, in the order in which they run.
[[nodiscard]] std::span<strategy const* const> strategies() noexcept;

[[nodiscard]] std::vector<std::string> strategy_names();

}  // namespace pgtally::lab
