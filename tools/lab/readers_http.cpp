#include "http_client.hpp"
#include "own_server.hpp"
#include "readers.hpp"
#include "strategy.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <chrono>
#include <optional>
#include <utility>

namespace pgtally::lab {
namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

constexpr auto patience = 30s;
constexpr auto between_looks = 5ms;

struct shown {
    std::int64_t rts = 0;
    bool live = false;
};

// Returns nothing for other answers: the server does not know the tally, or has not loaded it.
std::optional<shown> read_answer(http_answer const& answer)
{
    if (answer.status != 200) return std::nullopt;
    boost::system::error_code failure;
    auto const value = boost::json::parse(answer.body, failure);
    if (failure || !value.is_object()) return std::nullopt;
    auto const* counters = value.as_object().if_contains("counters");
    auto const* state = value.as_object().if_contains("state");
    if (counters == nullptr || state == nullptr || !counters->is_object() || !state->is_string()) return std::nullopt;
    auto const* rts = counters->as_object().if_contains("rts");
    if (rts == nullptr || !rts->is_int64()) return std::nullopt;
    return shown{rts->as_int64(), state->as_string() == "live"};
}

class http_reader final : public reader {
public:
    http_reader(asio::any_io_executor executor, http_address where, std::int64_t message)
        : client_(std::move(executor), std::move(where))
        , target_("/v1/tallies/pgtally_lab/keys/" + std::to_string(message))
    {
    }

    asio::awaitable<void> connect() { return client_.connect(); }

    asio::awaitable<std::optional<shown>> look()
    {
        auto const answer = co_await client_.get(target_);
        co_return read_answer(answer);
    }

    asio::awaitable<std::int64_t> read() override
    {
        std::string why = "it does not answer for tally pgtally_lab";
        try {
            auto const found = co_await look();
            if (found) co_return found->rts;
        } catch (boost::system::system_error const& failure) {
            why = failure.code().message();
        }
        throw refused("reading by HTTP from pgtally failed: " + why);
    }

private:
    http_client client_;
    std::string target_;
};

class http_way final : public way_to_read {
public:
    http_way(laboratory& lab, reading_options const& chosen) : lab_(lab), chosen_(chosen) {}

    [[nodiscard]] char const* name() const noexcept override { return "pgtally-http"; }
    [[nodiscard]] char const* says() const noexcept override
    {
        return "a server of pgtally, asked by HTTP over a connection that is kept. No read reaches the database.";
    }

    asio::awaitable<void> prepare() override
    {
        co_await lab_.director().script(std::string(pgtally_notify.setup[0]));
        if (chosen_.url.empty()) {
            auto const program = chosen_.program.empty() ? program_beside() : chosen_.program;
            if (program.empty()) throw absent("no program pgtally beside pgtally-lab: name it by --program or --url");
            co_await start(program);
            where_ = server_->address();
        } else {
            where_ = *read_http_address(chosen_.url);
        }
        co_await find_server();
    }

    asio::awaitable<std::unique_ptr<reader>> open() override
    {
        auto one = std::make_unique<http_reader>(lab_.executor(), where_, chosen_.message);
        co_await one->connect();
        co_return one;
    }

    asio::awaitable<void> settle() override
    {
        auto const truth = co_await lab_.director().query_as<std::int64_t>(
            "select count(*) from activity where messageid = $1", chosen_.message);
        co_await until_it_says(truth.one());
    }

private:
    asio::awaitable<void> start(std::string program)
    {
        std::string why;
        try {
            server_ = co_await own_server::start(lab_, std::move(program));
        } catch (refused const& failure) {
            why = failure.what();
        }
        if (!why.empty()) throw absent(why);
    }

    asio::awaitable<void> find_server()
    {
        std::string why;
        try {
            bool const there = co_await until_it_says(static_cast<std::int64_t>(chosen_.history));
            if (!there) why = "the server does not hold tally pgtally_lab of this database, or is not live, after 30 s";
        } catch (boost::system::system_error const& failure) {
            why = "no server answers at http://" + where_.host + ':' + where_.port + ": " + failure.code().message();
        }
        if (!why.empty()) throw absent(why);
    }

    // For a moment the server may still answer for an earlier tally of that name.
    asio::awaitable<bool> until_it_says(std::int64_t value)
    {
        http_reader looker(lab_.executor(), where_, chosen_.message);
        co_await looker.connect();
        asio::steady_timer timer(lab_.executor());
        auto const until = clock::now() + patience;
        while (clock::now() < until) {
            auto const found = co_await looker.look();
            if (found && found->live && found->rts == value) co_return true;
            timer.expires_after(between_looks);
            co_await timer.async_wait(asio::use_awaitable);
        }
        co_return false;
    }

    laboratory& lab_;
    reading_options chosen_;
    http_address where_{};
    std::unique_ptr<own_server> server_{};
};

}  // namespace

std::unique_ptr<way_to_read> way_by_http(laboratory& lab, reading_options const& chosen)
{
    return std::make_unique<http_way>(lab, chosen);
}

}  // namespace pgtally::lab
