// The configuration that the gateway runs: shown, and copied. The gateway itself answers with it.

export function offerConfiguration(button, shown) {
  const label = button.textContent;
  const details = shown.closest("details");

  async function show() {
    if (shown.textContent) return true;
    try {
      const response = await fetch("configuration");
      if (!response.ok) throw new Error(`the gateway answered ${response.status}`);
      shown.textContent = await response.text();
      return true;
    } catch (error) {
      button.textContent = `Not read: ${error.message}`;
      return false;
    }
  }

  details.addEventListener("toggle", () => details.open && show());
  button.addEventListener("click", async () => {
    if (!(await show())) return;
    try {
      await navigator.clipboard.writeText(shown.textContent);
      button.textContent = "Copied";
    } catch {
      // a page that came by plain HTTP over a network has no clipboard: the text is selected for Ctrl-C
      details.open = true;
      getSelection().selectAllChildren(shown);
      button.textContent = "Selected: copy it with Ctrl-C";
    }
    setTimeout(() => (button.textContent = label), 4000);
  });
}
