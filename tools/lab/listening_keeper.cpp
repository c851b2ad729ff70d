#include "keeper.hpp"

#include <pgtally/db/listener.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <chrono>
#include <exception>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace pgtally::lab {
namespace {

using namespace std::chrono_literals;

constexpr auto patience = 30s;
constexpr char const* channel = "pgtally_lab.activity";
constexpr std::string_view fence = "fence";

struct ledger {
    explicit ledger(asio::any_io_executor executor) : changed(executor) {}

    std::map<std::int64_t, std::int64_t> rts{};
    bool listening = false;
    bool fenced = false;
    std::string trouble{};
    asio::steady_timer changed;  // cancelled when one of the others changes
};

void enter(ledger& book, std::string_view payload)
{
    if (payload == fence) {
        book.fenced = true;
        return;
    }
    auto const change = boost::json::parse({payload.data(), payload.size()});
    book.rts[change.at("messageid").as_int64()] += change.at("rts").as_int64();
}

asio::awaitable<void> keep(std::shared_ptr<db::listener> from, std::shared_ptr<ledger> book)
{
    for (;;) {
        auto const events = co_await from->next();
        if (events.empty()) co_return;
        for (auto const& event : events) {
            if (auto const* said = std::get_if<db::notification>(&event)) enter(*book, said->payload);
            if (std::holds_alternative<db::listening>(event)) book->listening = true;
            if (auto const* gone = std::get_if<db::lost>(&event)) book->trouble = gone->reason;
        }
        book->changed.cancel();
    }
}

class listening_keeper final : public keeper {
public:
    explicit listening_keeper(laboratory& lab)
        : lab_(lab)
        , book_(std::make_shared<ledger>(lab.executor()))
        , listener_(
              std::make_shared<db::listener>(lab.executor(), lab.worker_settings(), std::vector<std::string>{channel}))
    {
    }

    ~listening_keeper() override { listener_->stop(); }

    asio::awaitable<void> start() override
    {
        auto const on_end = [book = book_](std::exception_ptr thrown) {
            if (thrown && book->trouble.empty()) book->trouble = "a notification that is not the lab's, or no listener";
            book->changed.cancel();
        };
        asio::co_spawn(lab_.executor(), listener_->run(), on_end);
        asio::co_spawn(lab_.executor(), keep(listener_, book_), on_end);
        co_await until(&ledger::listening, "the listener cannot listen");
    }

    asio::awaitable<std::vector<count>> read(std::vector<std::int64_t>) override
    {
        // Notifications come in the order of commits: behind this one is nothing that was committed before.
        book_->fenced = false;
        co_await lab_.director().query("select pg_notify($1, $2)", channel, fence);
        co_await until(&ledger::fenced, "the listener did not hear its own notification");
        std::vector<count> all;
        for (auto const& [messageid, rts] : book_->rts) all.push_back({messageid, rts});
        co_return all;
    }

private:
    asio::awaitable<void> until(bool ledger::* wanted, char const* complaint)
    {
        book_->changed.expires_after(patience);
        while (!((*book_).*wanted)) {
            if (!book_->trouble.empty()) throw refused(complaint + (": " + book_->trouble));
            auto const [code] = co_await book_->changed.async_wait(asio::as_tuple(asio::use_awaitable));
            if (!code) throw refused(complaint + std::string(": 30 s have passed"));
        }
    }

    laboratory& lab_;
    std::shared_ptr<ledger> book_;
    std::shared_ptr<db::listener> listener_;
};

}  // namespace

std::unique_ptr<keeper> make_listening_keeper(laboratory& lab)
{
    return std::make_unique<listening_keeper>(lab);
}

}  // namespace pgtally::lab
