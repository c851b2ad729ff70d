#include <pgtally/server/ask/readable.hpp>
#include <pgtally/server/ask/screen.hpp>

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

namespace pgtally::server {

screen::size screen::present()
{
    winsize found{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &found) != 0 || found.ws_row == 0 || found.ws_col == 0) return {};
    return {found.ws_row, found.ws_col};
}

std::string screen::paint(std::vector<std::string> const& lines, size of)
{
    // Up to the first line, and clear from there. ("Console Virtual Terminal Sequences": CUU and ED, of ECMA-48.)
    std::string out;
    if (painted_ > 0) out = "\x1b[" + std::to_string(std::min(painted_, of.lines)) + 'A';
    out += "\r\x1b[J";
    painted_ = std::min(lines.size(), of.lines > 1 ? of.lines - 1 : 1);
    for (std::size_t i = 0; i < painted_; ++i) {
        out += first_columns(lines[i], of.columns);
        out += '\n';
    }
    return out;
}

}  // namespace pgtally::server
