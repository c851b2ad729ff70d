#pragma once

#include <pgtally/server/ask/screen.hpp>
#include <pgtally/server/ask/watched.hpp>

#include <functional>
#include <iosfwd>
#include <string>
#include <vector>

namespace pgtally::server {

// Shows what `pgtally watch` hears: as a table that is painted in place, as a line for each changed key, or as a JSON object
// for each. States, and lost connections, go to `errors`, on the screen into its last line, in JSON into a line of their own.
class viewer {
public:
    enum class style { screen, lines, json };

    // Lifetime: the streams outlive it.
    viewer(std::string tally, std::vector<std::string> keys, style how, std::ostream& out, std::ostream& errors);

    void take(pushed what);

    // The connection is lost: what is shown is old.
    void lost(std::string const& why);

    // Called once nobody reads `out` any more.
    void on_closed(std::function<void()> call) { closed_ = std::move(call); }

private:
    void say(std::string const& state, std::string const& reason);
    void print(std::vector<counters_row> const& rows);
    void paint();

    std::string tally_;
    watched what_;
    style how_;
    std::ostream& out_;
    std::ostream& errors_;
    screen screen_;
    std::string state_, reason_;  // as shown
    std::function<void()> closed_;
};

}  // namespace pgtally::server
