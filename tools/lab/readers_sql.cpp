#include "readers.hpp"
#include "statistics.hpp"
#include "strategy.hpp"

#include <pgtally/db/connection.hpp>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

namespace pgtally::lab {
namespace {

using clock = std::chrono::steady_clock;

constexpr std::size_t max_refreshes_kept = 4'096;

class sql_reader final : public reader {
public:
    sql_reader(asio::any_io_executor executor, std::string sql, std::int64_t message)
        : own_(std::move(executor)), sql_(std::move(sql)), message_(message)
    {
    }

    asio::awaitable<void> connect(db::config settings) { return own_.connect(std::move(settings)); }

    asio::awaitable<std::int64_t> read() override
    {
        auto const found = co_await own_.query_as<std::int64_t>(sql_, message_);
        co_return found.maybe_one().value_or(0);
    }

private:
    db::connection own_;
    std::string sql_;
    std::int64_t message_;
};

class sql_way : public way_to_read {
public:
    sql_way(laboratory& lab, std::int64_t message, char const* name, char const* says, std::string setup,
            std::string sql)
        : lab_(lab), message_(message), name_(name), says_(says), setup_(std::move(setup)), sql_(std::move(sql))
    {
    }

    [[nodiscard]] char const* name() const noexcept override { return name_; }
    [[nodiscard]] char const* says() const noexcept override { return says_; }

    asio::awaitable<void> prepare() override { co_await lab_.director().script(setup_); }

    asio::awaitable<std::unique_ptr<reader>> open() override
    {
        auto one = std::make_unique<sql_reader>(lab_.executor(), sql_, message_);
        co_await one->connect(lab_.worker_settings());
        co_return one;
    }

protected:
    [[nodiscard]] laboratory& lab() const noexcept { return lab_; }

private:
    laboratory& lab_;
    std::int64_t message_;
    char const* name_;
    char const* says_;
    std::string setup_;
    std::string sql_;
};

constexpr char const* refresh_sql = "refresh materialized view concurrently counted";

// The next refresh begins `every` after the start of the last one, or at once if that took longer.
class refreshed_way final : public sql_way {
public:
    refreshed_way(laboratory& lab, reading_options const& chosen)
        : sql_way(
              lab, chosen.message, "materialized-view",
              "the view, computed at intervals (refresh materialized view concurrently). Reads are cheap, and as old "
              "as the last refresh; each refresh counts everything again.",
              std::string(counting_view) +
                  "create materialized view counted as select messageid, rts from message_with_counters;"
                  "create unique index on counted (messageid);",
              "select rts from counted where messageid = $1")
        , every_(chosen.refresh)
    {
    }

    asio::awaitable<void> tend(clock::time_point until) override
    {
        db::connection own(lab().executor());
        auto settings = lab().worker_settings();
        co_await own.connect(std::move(settings));
        asio::steady_timer timer(lab().executor());
        for (auto next = clock::now() + every_; next < until; next = std::max(next + every_, clock::now())) {
            timer.expires_at(next);
            co_await timer.async_wait(asio::use_awaitable);
            auto const began = clock::now();
            co_await own.query(refresh_sql);
            took_.add(clock::now() - began);
        }
    }

    asio::awaitable<void> settle() override { co_await lab().director().query(refresh_sql); }

    [[nodiscard]] std::string remark() const override
    {
        auto took = took_;
        std::array<char, 96> text{};
        std::snprintf(text.data(), text.size(), "%zu %s, p50 %.1f ms", took.added(),
                      took.added() == 1 ? "refresh" : "refreshes",
                      std::chrono::duration<double, std::milli>(took.at(0.5)).count());
        return took.added() == 0 ? "no refresh" : text.data();
    }

private:
    std::chrono::milliseconds every_;
    samples<std::chrono::nanoseconds> took_{max_refreshes_kept};
};

}  // namespace

std::vector<std::unique_ptr<way_to_read>> ways_by_sql(laboratory& lab, reading_options const& chosen)
{
    std::vector<std::unique_ptr<way_to_read>> all;
    all.push_back(std::make_unique<sql_way>(
        lab, chosen.message, "view",
        "a view that counts the rows of activity at each read. Its numbers are only as old as the counting takes.",
        std::string(counting_view), "select rts from message_with_counters where messageid = $1"));
    all.push_back(std::make_unique<refreshed_way>(lab, chosen));
    std::string setup(summary_table);
    setup += "insert into counters select messageid, count(*) from activity group by messageid;";
    for (auto const part : trigger_conflict.setup)
        if (part != summary_table) setup += part;
    all.push_back(std::make_unique<sql_way>(
        lab, chosen.message, "summary-table",
        "a summary row for each message, kept by the corrected trigger (trigger-conflict of concurrency). Reads are "
        "cheap and never old; the writers of a message queue for its row.",
        std::move(setup), "select rts from counters where messageid = $1"));
    return all;
}

}  // namespace pgtally::lab
