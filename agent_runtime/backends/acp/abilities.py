"""What the agent says that it can do."""

from dataclasses import dataclass

from acp import schema

from agent_runtime.backends.capability import Capability
from agent_runtime.backends.models import refuse_unknown
from agent_runtime.errors import Invalid

ALWAYS = frozenset(
    {
        Capability.PERMISSIONS,
        Capability.ATTACH_TEXT,
        Capability.SET_PERMISSION_MODE,
        Capability.NEW_SESSION,
        Capability.REASONING,
    }
)
"""What every agent has, by the protocol or by what is done here."""
PERHAPS = frozenset(
    {Capability.ATTACH_IMAGE, Capability.RESUME, Capability.SET_MODEL, Capability.MODELS}
)
"""What an agent tells of itself when it is started; until then it may have it."""


@dataclass(frozen=True, slots=True)
class Models:
    """The option of a session that chooses its model."""

    option_id: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Abilities:
    """Of one agent, once it has been greeted and has a session."""

    image: bool
    embeds: bool
    """Whether it takes the content of a file."""
    resume: bool
    load: bool
    models: Models | None = None

    @classmethod
    def of(cls, told: schema.InitializeResponse) -> "Abilities":
        known = told.agent_capabilities or schema.AgentCapabilities()
        prompt = known.prompt_capabilities or schema.PromptCapabilities()
        session = known.session_capabilities
        return cls(
            image=bool(prompt.image),
            embeds=bool(prompt.embedded_context),
            resume=session is not None and session.resume is not None,
            load=bool(known.load_session),
        )

    @property
    def capabilities(self) -> frozenset[Capability]:
        has = {
            Capability.ATTACH_IMAGE: self.image,
            Capability.RESUME: self.resume or self.load,
            Capability.SET_MODEL: self.models is not None,
            Capability.MODELS: self.models is not None,
        }
        return ALWAYS | {capability for capability, there in has.items() if there}

    def model_option(self, model: str) -> str:
        """The id of the option that takes it. Raises Invalid, naming those that are like it."""
        if self.models is None:
            raise Invalid(f"model: the agent lists no models, so {model!r} cannot be chosen")
        refuse_unknown("the agent", model, self.models.values)
        return self.models.option_id


def models_of(
    options: "list[schema.SessionConfigOptionSelect | schema.SessionConfigOptionBoolean] | None",
) -> Models | None:
    """The one option that is about the model, None where there is none."""
    for option in options or []:
        if isinstance(option, schema.SessionConfigOptionSelect) and option.category == "model":
            return Models(option.id, tuple(_values(option)))
    return None


def _values(option: schema.SessionConfigOptionSelect) -> list[str]:
    values: list[str] = []
    for choice in option.options:
        if isinstance(choice, schema.SessionConfigSelectGroup):
            values.extend(one.value for one in choice.options)
        else:
            values.append(choice.value)
    return values
