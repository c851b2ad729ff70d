#pragma once

// A transport beside `notify`, and a tally that follows it. It reports the bounds of transactions.

#include <pgtally/cache/replica/database_reason.hpp>
#include <pgtally/cache/replica/transport.hpp>
#include <pgtally/db/listener.hpp>
#include <pgtally/test/cache/replica/sets.hpp>

#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace pgtally::test {

// How a test controls the second transport, and what it observes.
struct second_transport_state {
    bool hears = true;              // if false, the transport drops everything that arrives
    bool ends_transactions = true;  // if false, `commit` is missing
    int made = 0, stopped = 0, prepared = 0;
};

// Its events are notifications on a separate channel. Each one is a transaction.
class second_transport final : public transport {
public:
    second_transport(asio::any_io_executor executor, db::config database, std::shared_ptr<second_transport_state> seen)
        : listener_{std::move(executor), std::move(database), std::vector<std::string>{"tally_wal"}}
        , seen_{std::move(seen)}
    {
        ++seen_->made;
    }

    asio::awaitable<void> run() override { return listener_.run(); }

    asio::awaitable<std::span<signal const>> next() override
    {
        auto const events = co_await listener_.next();
        batch_.clear();
        for (auto const& event : events) std::visit([this](auto const& e) { add(e); }, event);
        co_return batch_;
    }

    void restart(cache::reason why) override
    {
        restart_ = std::move(why);
        listener_.reconnect(restart_.text());
    }

    void retry_now() noexcept override { listener_.retry_now(); }

    void stop() override
    {
        ++seen_->stopped;
        listener_.stop();
    }

    std::string sending(std::string_view parameter) const override
    {
        return "pg_notify('tally_wal', " + std::string{parameter} + ")";
    }

    asio::awaitable<heartbeat_answer> send_heartbeat(db::connection& connection, std::string text) const override
    {
        co_await send(connection, text);
        co_return heartbeat_answer{};
    }

    asio::awaitable<void> prepare_load(db::connection&, std::function<bool(cache::reason)>) const override
    {
        ++seen_->prepared;
        co_return;
    }

private:
    void add(db::notification const& e)
    {
        if (!seen_->hears) return;
        batch_.emplace_back(begin{++position_});
        batch_.emplace_back(payload{e.payload});
        if (seen_->ends_transactions) batch_.emplace_back(commit{});
    }
    void add(db::listening const&) { batch_.emplace_back(opened{}); }
    void add(db::lost const& e) { batch_.emplace_back(lost{e.code ? database_reason(e) : restart_, e.permanent}); }

    db::listener listener_;
    std::shared_ptr<second_transport_state> seen_;
    std::vector<signal> batch_;
    std::uint64_t position_ = 0;
    cache::reason restart_;
};

// A database with a second tally, "votes". Its triggers send by NOTIFY; `vote` also sends the event by the other
// transport. A tally that applied both would count twice.
struct votes : tweets {
    std::shared_ptr<second_transport_state> seen = std::make_shared<second_transport_state>();

    votes()
    {
        sql("create publication tally; create table vote (post_id bigint); insert into vote values (1), (1), (2); "
            "select tally.create_tally('votes', 'vote', 'post_id')");
    }

    replica_set::config both()
    {
        auto out = set_config(dsn());
        out.transports.push_back({"wal", [seen = seen](asio::any_io_executor executor, db::config database) {
                                      return std::make_shared<second_transport>(std::move(executor),
                                                                                std::move(database), seen);
                                  }});
        return out;
    }

    void follow_by(std::string const& transport) const
    {
        sql("begin; update tally.definition set transport = '" + transport +
            "' where name = 'votes'; select tally.announce('votes'); commit");
    }

    std::uint64_t vote(std::string const& key) const
    {
        return write("insert into vote values (" + key +
                     "); select pg_notify('tally_wal', '{\"t\":\"votes\",\"x\":\"' "
                     "|| pg_current_xact_id() || '\",\"n\":1,\"d\":[[\"" +
                     key + "\",1]]}')");
    }

    void end_listener() const
    {
        sql("select count(pg_terminate_backend(pid)) from pg_stat_activity "
            "where datname = current_database() and query ilike '%listen%tally_wal%' and pid <> pg_backend_pid()");
    }
};

}  // namespace pgtally::test
