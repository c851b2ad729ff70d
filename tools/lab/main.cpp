// pgtally-lab: the experiments of the article series "PostgreSQL Concurrency", on a PostgreSQL of yours.

#include "experiments.hpp"
#include "strategy.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/json/serialize.hpp>

#include <csignal>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

namespace {

namespace asio = boost::asio;
namespace db = pgtally::db;
namespace lab = pgtally::lab;

constexpr int failed = 1, misused = 2, interrupted = 128;

// Doing an experiment, with its laboratory; and leaving nothing behind, whatever ends it.
class session {
public:
    explicit session(std::string dsn)
        : signals_(context_, SIGINT, SIGTERM), laboratory_(context_.get_executor(), std::move(dsn))
    {
    }

    // The exit status.
    int run(lab::request const& asked)
    {
        watch("ending; schema pgtally_lab is being dropped");
        auto on_end = [&](std::exception_ptr thrown, lab::report done) {
            failure_ = thrown;
            found_ = std::move(done);
            shown_.end();
            signals_.cancel();
        };
        asio::co_spawn(context_, perform(asked), asio::bind_cancellation_slot(stop_.slot(), std::move(on_end)));
        context_.run();
        bool const clean = clean_up();
        if (caught_ != 0) return interrupted + caught_;
        if (failure_) std::rethrow_exception(failure_);
        print(asked.json);
        return clean ? 0 : failed;
    }

private:
    // The first signal ends the experiment, or waits for the end of cleaning up; the second one ends the program as it
    // does any other.
    void watch(char const* then)
    {
        signals_.async_wait([this, then](boost::system::error_code code, int number) {
            if (code) return;
            caught_ = number;
            shown_.end();
            std::cerr << "pgtally-lab: " << then << '\n';
            signals_.clear();
            stop_.emit(asio::cancellation_type::terminal);
        });
    }

    asio::awaitable<lab::report> perform(lab::request asked)
    {
        if (auto const* chosen = std::get_if<lab::concurrency_options>(&asked.what)) {
            co_await laboratory_.open(chosen->work.workers);
            auto done = co_await lab::concurrency(laboratory_, *chosen, shown_);
            co_return done;
        }
        if (auto const* chosen = std::get_if<lab::isolation_options>(&asked.what)) {
            co_await laboratory_.open(chosen->work.workers);
            auto done = co_await lab::isolation(laboratory_, *chosen, shown_);
            co_return done;
        }
        if (auto const* chosen = std::get_if<lab::anomalies_options>(&asked.what)) {
            co_await laboratory_.open(3);
            auto done = co_await lab::anomalies(laboratory_, *chosen, shown_);
            co_return done;
        }
        co_await laboratory_.open(2);
        auto done = co_await lab::walk(laboratory_, std::get<lab::walk_options>(asked.what));
        co_return done;
    }

    bool clean_up()
    {
        std::exception_ptr thrown;
        context_.restart();
        if (caught_ == 0) watch("schema pgtally_lab is being dropped already");
        asio::co_spawn(context_, laboratory_.close(), [&](std::exception_ptr what) {
            thrown = what;
            signals_.cancel();
        });
        context_.run();
        if (!thrown) return true;
        try {
            std::rethrow_exception(thrown);
        } catch (std::exception const& error) {
            std::cerr << "pgtally-lab: schema pgtally_lab is left behind, the next run drops it: " << error.what()
                      << '\n';
        }
        return false;
    }

    void print(bool json) const
    {
        if (json) std::cout << boost::json::serialize(lab::to_json(found_)) << '\n';
        else lab::print_text(std::cout, found_);
    }

    asio::io_context context_{1};
    asio::signal_set signals_;
    asio::cancellation_signal stop_;
    lab::progress shown_;
    lab::laboratory laboratory_;
    lab::report found_;
    std::exception_ptr failure_;
    int caught_ = 0;
};

std::string dsn_from_environment()
{
    for (auto const* name : {"PGTALLY_DSN", "DATABASE_URL"})
        if (auto const* value = std::getenv(name); value != nullptr && *value != '\0') return value;
    return {};
}

}  // namespace

int main(int argc, char** argv)
{
    try {
        auto asked = lab::read_request({argv + 1, argv + argc}, lab::strategy_names());
        if (auto const* help = std::get_if<lab::help_text>(&asked.what)) {
            std::cout << help->text;
            return 0;
        }
        if (asked.dsn.empty()) asked.dsn = dsn_from_environment();
        return session(asked.dsn).run(asked);
    } catch (lab::wrong_usage const& wrong) {
        std::cerr << "pgtally-lab: " << wrong.what() << '\n' << lab::usage;
        return misused;
    } catch (std::exception const& error) {
        std::cerr << "pgtally-lab: " << error.what() << '\n';
        return failed;
    }
}
