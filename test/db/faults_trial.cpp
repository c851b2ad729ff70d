// One trial of the fault suite: its settings, and what may fail in it.

#include <pgtally/test/db/fault.hpp>
#include <pgtally/test/db/fault_tls.hpp>

#include <algorithm>
#include <tuple>

namespace pgtally::test {

using namespace std::chrono_literals;

namespace {

constexpr auto long_deadline = 60s;
constexpr auto short_deadline = 200ms;

}  // namespace

std::string shortened(std::vector<std::string> const& steps)
{
    std::string result;
    for (auto at = steps.begin(); at != steps.end();) {
        auto const end = std::find_if(at, steps.end(), [&](auto const& each) { return each != *at; });
        if (!result.empty()) result += ' ';
        result += *at;
        if (end - at > 1) result += " x" + std::to_string(end - at);
        at = end;
    }
    return result;
}

trial::trial(asio::any_io_executor on, fault_plan with, int which, std::shared_ptr<ledger_claims> into, wire by)
    : executor(std::move(on))
    , plan(with)
    , number(which)
    , claims(std::move(into))
    , over(by)
    , proxy(cluster::shared().port(), with)
{
}

db::config trial::settings() const
{
    return settings(proxy.dsn());
}

db::config trial::settings(std::string conninfo) const
{
    db::config result;
    result.conninfo = std::move(conninfo);
    if (over == wire::tls) result.conninfo += tls_for_a_while::words();
    result.application_name = application;
    result.connect_timeout = stalls() ? short_deadline : long_deadline;
    result.query_timeout = result.connect_timeout;
    result.retry.first = 1ms;
    result.retry.cap = 20ms;
    return result;
}

db::config trial::patient_settings() const
{
    auto result = settings();
    result.query_timeout = result.connect_timeout = long_deadline;
    return result;
}

bool trial::harmless() const
{
    return plan.what == fault::none || plan.what == fault::trickle || plan.what == fault::stall_then_pass;
}

void trial::check(bool ok, std::string_view what) const
{
    if (!ok) BOOST_ERROR(described() << ": " << what);
}

bool trial::may_fail(db::error const& failure, std::initializer_list<db::errc> allowed) const
{
    auto const is = [&](db::errc code) { return failure.code() == code; };
    if (harmless() || failure.permanent()) return false;
    if (is(db::errc::timed_out) && !stalls()) return false;
    return std::any_of(allowed.begin(), allowed.end(), is);
}

void trial::check_failure(db::error const& failure, std::initializer_list<db::errc> allowed)
{
    ++failures;
    check(may_fail(failure, allowed),
          std::string("must not fail so: ") + failure.what() + " [" + failure.code().message() + "]");
}

std::string trial::token(int which) const
{
    return std::to_string(number) + "/" + std::to_string(which);
}

std::string trial::described() const
{
    auto const steps = proxy.steps(plan.connection);
    auto result = std::string(name_of(plan.what));
    if (plan.what != fault::none) {
        auto const known = plan.step <= steps.size() ? steps[plan.step - 1] : std::string("a step that did not come");
        result += " at " + known + " (step " + std::to_string(plan.step) + ")";
    }
    if (over == wire::tls) result += ", over TLS,";
    return result + " of connection " + std::to_string(plan.connection) + ": " + shortened(steps);
}

asio::awaitable<void> check_connects_again(trial& it, db::connection& conn)
{
    auto settings = it.patient_settings();
    co_await conn.connect(std::move(settings));
    auto const rows = co_await conn.query_as<std::tuple<std::int64_t>>("select $1::bigint + 1", it.number);
    it.check(std::get<0>(rows.one()) == it.number + 1, "the connection made anew gives a wrong answer");
}

}  // namespace pgtally::test
