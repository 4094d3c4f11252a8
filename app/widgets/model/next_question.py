"""The question that each page leaves, as a link at its end to the page that answers it."""

from dataclasses import dataclass

import streamlit as st


@dataclass(frozen=True)
class Question:
    """A question, and the page (its word in the address) with its icon that answers it."""

    text: str
    page: str
    icon: str


RACE = Question("Can the backdoor be removed?", "race", "flag")
QUESTIONS = {
    "attacks": RACE,
    "configure": RACE,
    "import_model": RACE,
    "race": Question("Did the model get flatter?", "spectrum", "bar_chart"),
    "spectrum": Question("What does the loss look like around it?", "landscape", "terrain"),
    "landscape": Question("What happens inside it when it sees the trigger?", "inside",
                          "visibility"),
    "inside": Question("Would another layer have done better?", "layers", "layers"),
    "layers": Question("Does it hold for other attacks and defenses?", "leaderboard",
                       "leaderboard"),
    "leaderboard": Question("Which part of the method does it?", "ablation", "science"),
    "ablation": Question("Is a backdoored model sharper at all?", "claim", "gavel"),
    "claim": Question("Would that flattening stand up to a check?", "audit", "policy"),
    "audit": Question("How does it compare with other runs?", "compare", "compare_arrows"),
    "compare": Question("How far is the whole grid?", "sweep", "grid_on"),
    "sweep": Question("Where are the runs behind all this?", "runs", "list"),
}


def next_question(page: str) -> None:
    """Draw the link at the end of a page; nothing where a page is an end. The model in hand stays
    in hand, whichever way one goes on."""
    question = QUESTIONS.get(page)
    if question is None:
        return
    st.divider()
    st.page_link(f"app/views/{question.page}.py", label=f"Next: {question.text}",
                 icon=f":material/{question.icon}:")
