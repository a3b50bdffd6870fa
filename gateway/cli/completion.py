"""`forge completion`: the script that teaches a shell the command."""

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of SHELL.

    \b
    Examples:
      bash:  echo 'eval "$(forge completion bash)"' >> ~/.bashrc
      zsh:   echo 'eval "$(forge completion zsh)"' >> ~/.zshrc
      fish:  forge completion fish > ~/.config/fish/completions/forge.fish
    """
    root = click.get_current_context().find_root()
    found = get_completion_class(shell)
    assert found is not None, "click knows the shells of the choice"
    click.echo(found(root.command, {}, "forge", "_FORGE_COMPLETE").source())
