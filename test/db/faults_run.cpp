// Runs scenarios with faults: several workers on one thread run them one after another.

#include <pgtally/test/db/fault.hpp>
#include <pgtally/test/db/fault_tls.hpp>

#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <exception>
#include <iterator>
#include <optional>
#include <tuple>

namespace pgtally::test {

using namespace std::chrono_literals;

namespace {

// Well below the long deadline of a trial: a fault that only that deadline ends counts as a hang.
constexpr auto trial_cap = 20s;
constexpr auto all_cap = 5min;

// The queue of all workers of a scenario.
struct work {
    work(scenario const& does, fault_options const& with, wire by) : of(does), options(with), over(by) {}

    scenario const& of;
    fault_options const& options;
    wire over;
    std::vector<fault_plan> plans{};
    std::size_t next = 0;
    std::size_t ended = 0;
    std::size_t struck = 0;
    std::size_t failures = 0;
    std::string hung{};
    std::shared_ptr<ledger_claims> claims = std::make_shared<ledger_claims>();
    std::vector<std::string> steps{};  // of the last trial
};

int next_number()
{
    static int number = 0;
    return ++number;
}

asio::awaitable<void> run_trial(std::shared_ptr<trial> it, scenario const& of)
{
    try {
        auto body = of(*it);
        co_await std::move(body);
    } catch (std::exception const& thrown) {
        it->check(false, thrown.what());
    }
}

asio::awaitable<void> run_worker(asio::io_context& context, work& all)
{
    while (all.next < all.plans.size()) {
        auto const plan = all.plans[all.next++];
        auto const it = std::make_shared<trial>(context.get_executor(), plan, next_number(), all.claims, all.over);
        asio::steady_timer cap(context, trial_cap);
        cap.async_wait([&, it](db::error_code ec) {
            if (ec) return;
            all.hung = it->described();
            context.stop();
        });
        co_await run_trial(it, all.of);
        cap.cancel();
        ++all.ended;
        all.failures += it->failures;
        all.steps = it->proxy.steps(plan.connection);
        if (plan.what == fault::none) continue;
        auto const struck = it->proxy.struck();
        if (struck) ++all.struck;
        else if (!all.options.steps_vary) it->check(false, "the fault found no such step");
    }
}

void run_all(work& all, std::size_t workers)
{
    asio::io_context context{1};
    std::exception_ptr failure;
    for (std::size_t i = 0; i < workers; ++i) {
        asio::co_spawn(context, run_worker(context, all), [&](std::exception_ptr thrown) {
            if (!thrown) return;
            failure = thrown;
            context.stop();
        });
    }
    context.run_for(all_cap);
    if (failure) std::rethrow_exception(failure);
    BOOST_REQUIRE_MESSAGE(all.hung.empty(), "hangs: " << all.hung);
    BOOST_REQUIRE_MESSAGE(context.stopped(), "something is still under way when all trials have ended");
}

// How much of the goodbye has passed at the end of a trial is not determined. Over TLS it is Terminate and an alert of the
// client's, then one of the server's; whatever comes before ends with an answer.
void drop_goodbye(std::vector<std::string>& steps, wire over)
{
    if (over == wire::plain) {
        if (!steps.empty() && steps.back() == "C:X") steps.pop_back();
        return;
    }
    auto const is = [&](std::size_t from_end, char const* name) {
        return steps.size() > from_end && steps[steps.size() - 1 - from_end] == name;
    };
    if (is(0, "S:tls") && is(1, "C:tls") && is(2, "C:tls")) steps.pop_back();
    while (is(0, "C:tls")) steps.pop_back();
}

// The number of a login's steps. Over TLS ReadyForQuery is not visible, so a connection that does nothing else has to
// show it.
std::size_t login_steps(std::vector<std::string> const& steps, wire over)
{
    if (over == wire::plain) {
        auto const ready = std::find(steps.begin(), steps.end(), "S:Z");
        return static_cast<std::size_t>(ready - steps.begin()) + 1;
    }
    std::size_t result = 0;
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        trial only(executor, fault_plan(), next_number(), nullptr, over);
        db::connection conn(executor);
        auto settings = only.settings();
        co_await conn.connect(std::move(settings));
        result = only.proxy.steps().size();
    });
    return result;
}

// The steps to test, from those of a clean run.
std::vector<std::size_t> chosen(std::vector<std::string> const& steps, std::size_t login, fault_options const& options)
{
    using part = fault_options::part;
    auto const first = options.of == part::after_login ? login + 1 : 1;
    auto const end = options.of == part::login ? login + 1 : steps.size() + 1;
    BOOST_REQUIRE(first < end);
    std::vector<std::size_t> result;
    auto const count = end - first;
    auto const taken = std::min(count, options.most_steps);
    for (std::size_t i = 0; i < taken; ++i) result.push_back(first + i * count / taken);
    return result;
}

std::vector<fault_plan> plans_for(std::vector<std::string> const& steps, std::size_t login,
                                  fault_options const& options)
{
    std::vector<fault_plan> result;
    result.push_back({fault::trickle, 1, options.connection});
    for (auto const each : options.faults)
        for (auto const step : chosen(steps, login, options)) result.push_back({each, step, options.connection});
    return result;
}

void prepare_ledger()
{
    cluster::shared().sql("create table if not exists ledger (token text not null, filler text)");
    cluster::shared().sql("truncate ledger");
}

// Waits until the backends of the trials have ended.
void check_ledger(ledger_claims const& claims)
{
    auto const left =
        std::string("select count(*) from pg_stat_activity where application_name = '") + trial::application + "'";
    constexpr int tries = 500;
    for (int i = 0; i < tries && cluster::shared().sql(left) != "0"; ++i)
        cluster::shared().sql("select pg_sleep(0.02)");
    BOOST_TEST(cluster::shared().sql(left) == "0");

    db_fixture fixture;
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        auto settings = fixture.settings();
        co_await conn.connect(settings);
        std::map<std::string, int> found;
        using row = std::tuple<std::string, std::int64_t>;
        auto const rows = co_await conn.query_as<row>("select token, count(*) from ledger group by token");
        for (auto const& [token, count] : rows) found[token] = static_cast<int>(count);
        for (auto const& [token, allowed] : claims)
            BOOST_CHECK_MESSAGE(allowed.contains(found[token]), token << " is there " << found[token] << " times");
        for (auto const& [token, count] : found)
            BOOST_CHECK_MESSAGE(claims.contains(token), "nobody claimed " << token);
    });
}

void run_over(wire by, scenario const& of, fault_options const& options)
{
    prepare_ledger();
    work all(of, options, by);
    all.plans = {fault_plan()};
    all.plans.front().connection = options.connection;
    run_all(all, 1);
    auto steps = all.steps;
    drop_goodbye(steps, by);
    BOOST_REQUIRE(!steps.empty());
    BOOST_TEST_MESSAGE("clean run: " << shortened(steps));
    all.plans = plans_for(steps, login_steps(steps, by), options);
    all.next = all.ended = 0;
    run_all(all, options.at_once);
    BOOST_TEST(all.ended == all.plans.size());
    BOOST_TEST(all.struck > all.plans.size() / 2);
    BOOST_TEST(all.failures > 0u);
    check_ledger(*all.claims);
    BOOST_TEST_MESSAGE(all.ended << " trials, " << all.struck << " faults, " << all.failures << " errors");
}

}  // namespace

void for_each_fault(scenario const& of, fault_options const& options)
{
    run_over(wire::plain, of, options);
    tls_for_a_while const encrypted;
    auto over_tls = options;
    over_tls.steps_vary = true;  // what the server sends at one time is a record
    // A login has few steps. Of what follows it, faults in plain text have shown the most.
    constexpr std::size_t enough = 16;
    if (options.of != fault_options::part::login) over_tls.most_steps = std::min(options.most_steps, enough);
    run_over(wire::tls, of, over_tls);
}

}  // namespace pgtally::test
