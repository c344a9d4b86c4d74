// A text file of the learner's. Size and name are judged here: of a file that is refused only these go to Python, since
// one message that is too large would close the connection to the kernel, and with it every view of the notebook.

async function textOf(file, most, ends) {
  if (file.size > most || !ends.some((end) => file.name.toLowerCase().endsWith(end))) return null;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
  } catch {
    return null; // not UTF-8, or gone since it was chosen
  }
}

function render({ model, el }) {
  const label = document.createElement("label"), input = document.createElement("input");
  label.className = "seqlab-file";
  input.type = "file";
  input.accept = model.get("ends").join();
  input.dataset.lmSuppressShortcuts = "true"; // or JupyterLab takes plain keys of what has the focus
  input.addEventListener("click", () => { input.value = ""; }); // so that a mended file can be chosen again
  input.addEventListener("change", async () => {
    const [file] = input.files;
    if (!file) return;
    const text = await textOf(file, model.get("most"), model.get("ends"));
    model.send({ name: file.name, size: file.size, text });
  });
  label.append(model.get("label"), input);
  el.append(label);
}

export default { render };
