#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

/// Reads a play in Jon Bosak's XML markup (PLAY, ACT, SCENE, SPEECH, SPEAKER, LINE, STAGEDIR) as a list of
/// speeches. Independent of the database.
namespace pgtally::play {

struct speech {
    std::vector<std::string> speakers{};  ///< at least one, as written
    std::string text{};                   ///< its lines, joined by newlines; not empty
};

/// The file is not a play. what() is the reason alone.
class broken_file : public std::runtime_error {
public:
    broken_file(std::size_t line, std::string const& reason) : std::runtime_error(reason), line_(line) {}

    [[nodiscard]] std::size_t line() const noexcept { return line_; }  ///< counts from 1

private:
    std::size_t line_;
};

/// Returns the speeches in order, wherever they are in the play (a prologue is outside the acts).
///
/// Stage directions are omitted, between lines and inside them. White space is folded. A speech that has only
/// stage directions is omitted.
///
/// *Errors*: broken_file if the text is not well-formed, not UTF-8, no PLAY, has no speech, or has a speech
/// without a speaker.
std::vector<speech> parse(std::string_view xml);

}  // namespace pgtally::play
