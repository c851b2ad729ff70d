#include <pgtally/server/check/progress.hpp>

#include <chrono>
#include <iostream>
#include <utility>

namespace pgtally::server {

progress::progress(boost::asio::any_io_executor executor, bool shown) : timer_{std::move(executor)}
{
    if (!shown) return;
    timer_.expires_after(std::chrono::seconds{1});
    timer_.async_wait([at = line_](boost::system::error_code stopped) {
        if (stopped || at->ended) return;
        at->visible = true;
        at->paint();
    });
}

progress::~progress()
{
    line_->ended = true;
    step({});
}

void progress::step(std::string what)
{
    line_->what = std::move(what);
    if (line_->visible) line_->paint();
}

void progress::line::paint() const
{
    // To the beginning of the line, and clear it (ECMA-48, EL).
    std::cerr << "\r\x1b[K" << what << std::flush;
}

}  // namespace pgtally::server
