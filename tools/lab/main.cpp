// pgtally-lab: the experiments of the article series "PostgreSQL Concurrency", on your own PostgreSQL.

#include "all.hpp"
#include "perform.hpp"
#include "report_file.hpp"
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
#include <sstream>
#include <string>
#include <vector>

namespace {

namespace asio = boost::asio;
namespace db = pgtally::db;
namespace lab = pgtally::lab;

constexpr int failed = 1, misused = 2, interrupted = 128;

// Runs an experiment in its laboratory and cleans up, however it ends.
class session {
public:
    explicit session(std::string dsn)
        : signals_(context_, SIGINT, SIGTERM), laboratory_(context_.get_executor(), std::move(dsn))
    {
    }

    // Returns the exit status. `page` receives the report of all experiments; it may be null.
    int run(lab::request const& asked, lab::report_file* page)
    {
        watch("ending; schema pgtally_lab is being dropped");
        auto on_end = [&](std::exception_ptr thrown) {
            failure_ = thrown;
            shown_.end();
            signals_.cancel();
        };
        asio::co_spawn(context_, perform(asked), asio::bind_cancellation_slot(stop_.slot(), std::move(on_end)));
        context_.run();
        bool const clean = clean_up();
        if (caught_ != 0) return interrupted + caught_;
        if (failure_) std::rethrow_exception(failure_);
        print(asked.json);
        if (page != nullptr) keep(*page);
        return clean && !(all_ && all_->failed()) ? 0 : failed;
    }

private:
    // The first signal ends the experiment, or lets the cleanup finish. The second one has its default effect.
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

    asio::awaitable<void> perform(lab::request asked)
    {
        co_await laboratory_.open();
        if (asked.all) all_ = co_await lab::all_experiments(laboratory_, *asked.all, shown_);
        else found_ = co_await lab::perform(laboratory_, asked.what, shown_);
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
        if (json) std::cout << boost::json::serialize(all_ ? lab::to_json(*all_) : lab::to_json(found_)) << '\n';
        else if (all_) lab::print_text(std::cout, *all_);
        else lab::print_text(std::cout, found_);
    }

    void keep(lab::report_file& page) const
    {
        std::ostringstream text;
        lab::write_html(text, *all_);
        page.keep(text.str());
        std::cerr << "pgtally-lab: the report is " << page.path() << '\n';
    }

    asio::io_context context_{1};
    asio::signal_set signals_;
    asio::cancellation_signal stop_;
    lab::progress shown_;
    lab::laboratory laboratory_;
    lab::report found_;
    std::optional<lab::whole> all_;
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
        if (asked.help) {
            std::cout << asked.help->text;
            return 0;
        }
        if (asked.dsn.empty()) asked.dsn = dsn_from_environment();
        std::optional<lab::report_file> page;
        if (asked.all && !asked.all->report.empty()) page.emplace(asked.all->report);
        return session(asked.dsn).run(asked, page ? &*page : nullptr);
    } catch (lab::wrong_usage const& wrong) {
        std::cerr << "pgtally-lab: " << wrong.what() << '\n' << lab::usage;
        return misused;
    } catch (std::exception const& error) {
        std::cerr << "pgtally-lab: " << error.what() << '\n';
        return failed;
    }
}
