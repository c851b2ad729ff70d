#include "progress.hpp"

#include <unistd.h>

#include <iostream>
#include <utility>

namespace pgtally::lab {
namespace {

using clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds between{100};

}  // namespace

progress::progress() : shown_(::isatty(STDERR_FILENO) == 1) {}

progress::~progress()
{
    end();
}

void progress::begin(std::string what, std::size_t all)
{
    what_ = std::move(what);
    all_ = all;
    done_ = 0;
    if (shown_) write();
}

void progress::tick()
{
    ++done_;
    if (shown_ && clock::now() - written_ >= between) write();
}

void progress::end()
{
    if (std::exchange(there_, false)) std::cerr << "\r\x1b[K" << std::flush;
}

void progress::write()
{
    written_ = clock::now();
    there_ = true;
    std::cerr << '\r' << what_ << ": " << done_ << " of " << all_ << "\x1b[K" << std::flush;
}

}  // namespace pgtally::lab
