#pragma once

#include <string_view>

namespace pgtally::play {

/// schema/tweet/play.xml, compiled into the program.
[[nodiscard]] std::string_view own_play();

}  // namespace pgtally::play
