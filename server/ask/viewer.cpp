#include <pgtally/server/ask/counters_text.hpp>
#include <pgtally/server/ask/readable.hpp>
#include <pgtally/server/ask/viewer.hpp>
#include <pgtally/server/base/json_text.hpp>

#include <ostream>
#include <utility>

namespace pgtally::server {

viewer::viewer(std::string tally, std::vector<std::string> keys, style how, std::ostream& out, std::ostream& errors)
    : tally_{std::move(tally)}, what_{std::move(keys)}, how_{how}, out_{out}, errors_{errors}
{
}

void viewer::take(pushed what)
{
    auto const differs = what_.take(std::move(what));
    if (how_ != style::screen) print(differs);
    say(what_.state(), what_.reason());
    if (how_ == style::screen) paint();
    out_.flush();
    if (!out_ && closed_) closed_();
}

void viewer::lost(std::string const& why)
{
    say("disconnected", why);
    if (how_ == style::screen) paint();
    out_.flush();
}

void viewer::say(std::string const& state, std::string const& reason)
{
    if (state == state_ && reason == reason_) return;
    bool const first = std::exchange(state_, state).empty();
    reason_ = reason;
    if (how_ == style::json) {
        out_ << R"({"state":)";
        std::string text;
        append_json(text, state);
        if (!reason.empty()) {
            text += R"(,"reason":)";
            append_json(text, reason);
        }
        out_ << text << "}\n";
    } else if (how_ == style::lines && !(first && state == "live")) {
        errors_ << "pgtally watch: " << printable(state) << (reason.empty() ? "" : ": ") << printable(reason) << '\n';
    }
}

void viewer::print(std::vector<counters_row> const& rows)
{
    for (auto const& row : rows) {
        out_ << (how_ == style::json ? counters_object(what_.names(), row) : counters_line(what_.names(), row)) << '\n';
    }
}

void viewer::paint()
{
    auto const size = screen::present();
    auto const rows = size.lines > 4 ? size.lines - 4 : 1;
    std::vector<std::string> lines{printable(tally_) + ": " + printable(state_) +
                                   (reason_.empty() ? "" : ": " + printable(reason_))};
    auto const shown = what_.shown(rows);
    for (auto& line : table_lines(shown, false)) lines.push_back(std::move(line));
    if (shown.rows.size() < what_.size()) lines.push_back("… of " + std::to_string(what_.size()) + " keys");
    out_ << screen_.paint(lines, size);
}

}  // namespace pgtally::server
