// Exceptions that nothing expects: the set fails, tells its subscribers, and its run() throws.

#include <pgtally/cache/subscription.hpp>
#include <pgtally/test/cache/replica/second_transport.hpp>

#include <stdexcept>

namespace pgtally::test {

BOOST_AUTO_TEST_SUITE(test_defects)

namespace {

constexpr char const* defect = "a defect of the test";

// A set whose run() is expected to throw.
struct doomed_set {
    doomed_set(asio::any_io_executor executor, replica_set::config config)
    {
        config.database.log = [this](db::level at, std::string_view line) {
            if (at == db::level::error) errors.emplace_back(line);
        };
        set = std::make_unique<replica_set>(executor, std::move(config));
        auto on_end = [this](std::exception_ptr thrown) {
            ended = true;
            failure = thrown;
        };
        asio::co_spawn(executor, set->run(), std::move(on_end));
    }

    std::string thrown() const
    {
        try {
            if (failure) std::rethrow_exception(failure);
        } catch (std::logic_error const& e) {
            return e.what();
        }
        return {};
    }

    // Checks that every tally is failed because of the defect, and that run() threw it. `where`: the coroutine, if it is
    // certain.
    void check(std::string const& where = {}) const
    {
        BOOST_TEST(thrown() == defect);
        BOOST_TEST(!set->all().empty());
        for (auto const& [name, tally] : set->all()) {
            BOOST_TEST((tally->state() == cache::state::failed));
            BOOST_TEST(tally->reason().text().starts_with("internal error in " + where), tally->reason());
            BOOST_TEST(tally->reason().text().find(defect) != std::string::npos);
        }
        BOOST_TEST(set->trouble_is_permanent());
        BOOST_TEST_REQUIRE(errors.size() == 1U);
        BOOST_TEST(errors.front().find(defect) != std::string::npos);
    }

    std::unique_ptr<replica_set> set;
    std::vector<std::string> errors;
    std::exception_ptr failure;
    bool ended = false;
};

// The second transport, with a defect in one of its functions.
class broken_transport final : public transport {
public:
    struct faults {
        bool in_next = false, in_prepare = false, in_heartbeat = false;
    };

    broken_transport(std::shared_ptr<transport> of, std::shared_ptr<faults> which)
        : of_{std::move(of)}, which_{std::move(which)}
    {
    }

    asio::awaitable<void> run() override { return of_->run(); }
    asio::awaitable<std::span<signal const>> next() override
    {
        auto const batch = co_await of_->next();
        if (which_->in_next) throw std::logic_error{defect};
        co_return batch;
    }
    void restart(cache::reason why) override { of_->restart(std::move(why)); }
    void retry_now() noexcept override { of_->retry_now(); }
    void stop() override { of_->stop(); }
    std::string sending(std::string_view parameter) const override { return of_->sending(parameter); }
    asio::awaitable<heartbeat_answer> send_heartbeat(db::connection& connection, std::string text) const override
    {
        if (which_->in_heartbeat) throw std::logic_error{defect};
        co_return co_await of_->send_heartbeat(connection, text);
    }
    asio::awaitable<void> prepare_load(db::connection& connection,
                                       std::function<bool(cache::reason)> waits) const override
    {
        if (which_->in_prepare) throw std::logic_error{defect};
        co_await of_->prepare_load(connection, std::move(waits));
    }

private:
    std::shared_ptr<transport> of_;
    std::shared_ptr<faults> which_;
};

replica_set::config with_faults(votes& database, std::shared_ptr<broken_transport::faults> which)
{
    auto config = database.both();
    auto const make = config.transports.front().make;
    config.transports.front().make = [make, which](asio::any_io_executor executor, db::config settings) {
        return std::make_shared<broken_transport>(make(executor, std::move(settings)), which);
    };
    database.follow_by("wal");
    return config;
}

asio::awaitable<void> until_all_live(asio::any_io_executor executor, doomed_set& it)
{
    auto live = [&] {
        auto const is_live = [](auto const& each) { return each.second->state() == cache::state::live; };
        return it.set->all().size() == 2 && std::ranges::all_of(it.set->all(), is_live);
    };
    co_await eventually(executor, live);
}

// How the state of a tally is pushed.
struct witness final : cache::subscriber {
    void wake(cache::subscription& which) override
    {
        cache::update next;
        which.next(next, {});
        if (which.of() != nullptr) seen.push_back(which.of()->state());
    }
    std::vector<cache::state> seen;
};

}  // namespace

BOOST_AUTO_TEST_CASE(an_exception_of_a_transport_fails_every_tally_and_leaves_run)
{
    for (std::string const where : {"receive", "load", "control"}) {
        BOOST_TEST_CONTEXT(where)
        {
            votes database;
            auto const which = std::make_shared<broken_transport::faults>();
            run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
                doomed_set it{executor, with_faults(database, which)};
                co_await until_all_live(executor, it);
                which->in_next = where == "receive";
                which->in_prepare = where == "load";
                which->in_heartbeat = where == "control";
                if (where == "receive") database.vote("1");
                if (where == "load") it.set->reset("votes");
                auto over = [&] { return it.ended; };
                co_await eventually(executor, over);
                it.check(where);
            });
        }
    }
}

BOOST_AUTO_TEST_CASE(a_hook_that_throws_is_a_defect_and_subscribers_are_told_nevertheless)
{
    tweets const database;
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        bool broken = false;
        auto config = set_config(database.dsn());
        config.on_turn = [&] {
            if (broken) throw std::logic_error{defect};
        };
        doomed_set it{executor, std::move(config)};
        auto live = [&] {
            auto const* const tally = it.set->find("tweets");
            return tally != nullptr && tally->state() == cache::state::live;
        };
        co_await eventually(executor, live);
        witness told;
        cache::subscription::options options;
        options.all_keys = true;
        cache::subscription subscribed{*it.set->find("tweets"), told, options};
        broken = true;
        database.sql("insert into activity (messageid, action) values (1, 'rt')");
        auto over = [&] { return it.ended; };
        co_await eventually(executor, over);
        it.check();
        BOOST_TEST_REQUIRE(!told.seen.empty());
        BOOST_TEST((told.seen.back() == cache::state::failed));
    });
}

BOOST_AUTO_TEST_CASE(what_waits_for_a_dead_set_ends)
{
    tweets const database;
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        bool broken = false;
        auto config = set_config(database.dsn());
        config.on_heartbeat = [&](double) {
            if (broken) throw std::logic_error{defect};
        };
        doomed_set it{executor, std::move(config)};
        auto live = [&] {
            auto const* const tally = it.set->find("tweets");
            return tally != nullptr && tally->state() == cache::state::live;
        };
        co_await eventually(executor, live);
        broken = true;
        auto over = [&] { return it.ended; };
        co_await eventually(executor, over);
        it.check();
        auto const audited = co_await it.set->audit("tweets", 30s);
        BOOST_TEST((audited.outcome == audit_outcome::stopped));
        bool closed = false;
        auto const long_from_now = std::chrono::steady_clock::now() + 30s;
        cache::xid const transaction{1'000'000'000};  // in no load
        try {
            co_await it.set->applied("tweets", transaction, long_from_now);
        } catch (db::error const& e) {
            closed = e.code() == db::errc::closed;
        }
        BOOST_TEST(closed);
    });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace pgtally::test
