#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

/// A play in Jon Bosak's XML markup (PLAY, ACT, SCENE, SPEECH, SPEAKER, LINE, STAGEDIR), as a list of
/// what is said. Knows no database.
namespace pgtally::play {

struct speech {
    std::vector<std::string> speakers{};  ///< at least one, as they are written
    std::string text{};                   ///< its lines, joined by newlines; not empty
};

/// What is no play, and where. what() is the reason alone.
class broken_file : public std::runtime_error {
public:
    broken_file(std::size_t line, std::string const& reason) : std::runtime_error(reason), line_(line) {}

    [[nodiscard]] std::size_t line() const noexcept { return line_; }  ///< from 1

private:
    std::size_t line_;
};

/// The speeches in their order, wherever in the play they stand (a prologue is outside of the acts).
///
/// Stage directions are left out, beside lines as well as in the middle of one; white space is folded.
/// A speech that has stage directions only is left out, nobody says it. Throws broken_file for what is
/// not well-formed, not UTF-8, no PLAY, without any speech, and for a speech that nobody speaks.
std::vector<speech> parse(std::string_view xml);

}  // namespace pgtally::play
